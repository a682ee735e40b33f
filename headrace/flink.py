"""Flink on this machine: its Java runtime, its logs, the jar of our functions, and where a job keeps its state."""

import hashlib
from pathlib import Path

import headrace_streaming
from headrace_ingestion.settings import KafkaConnection
from headrace_streaming.checkpoints import StateFolder
from headrace_streaming.plan import JobPlan

from headrace.project import Project
from headrace.stack.jars import fetch, pyflink_jars
from headrace.stack.java import COMPILE_LATER, compile_java, huge_pages, java_home

_LOG4J = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {file}
appender.file.filePattern = {file}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}}{{UTC}} %p %c{{1}} %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
logger.clients.name = org.apache.flink.kafka.shaded.org.apache.kafka
logger.clients.level = error
logger.metrics.name = org.apache.flink.metrics.MetricGroup
logger.metrics.level = error
"""


def flink_environment(project: Project, name: str) -> dict[str, str]:
    """Return the variables of a process that runs Flink: set them before pyflink is imported.

    Writes the logging configuration; Flink's own log is `.headrace/logs/<name>-flink.log`.
    """
    logs = project.folders.logs
    logs.mkdir(parents=True, exist_ok=True)
    configuration = project.folders.flink / f"{name}-log4j2.properties"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text(_LOG4J.format(file=logs / f"{name}-flink.log"))
    memory = [f"-Xmx{project.settings.flink.memory_megabytes}m", "-XX:+UseParallelGC", *huge_pages()]
    return {
        "JAVA_HOME": str(java_home()),
        "LOG4J_PROPERTIES": str(configuration),
        "FLINK_LOG_DIR": str(logs),
        "JVM_ARGS": " ".join([*memory, *COMPILE_LATER]),
    }


def functions_jar() -> Path:
    """Return the jar of source, kernel and emit, compiled when their sources are new.

    Raises:
        JavaError: They do not compile.
        JarError: The compiler cannot be fetched.
    """
    return compile_java(headrace_streaming.java_sources(), functions_classpath(), "headrace-functions")


def functions_classpath() -> list[Path]:
    """Return the jars that the functions need: Flink's, and the connector to Kafka."""
    return [*pyflink_jars(), *fetch(["flink"])]


def job_state(project: Project, plan: JobPlan, jar: Path) -> tuple[StateFolder, str | None]:
    """Return where the job's state is for this process, and for Flink's where that differs.

    Another plan, another version of the functions or of Flink, another backend cannot read old state: it has another
    folder.
    """
    import importlib.metadata

    parts = [plan.digest, jar.parent.name, importlib.metadata.version("apache-flink")]
    if project.settings.flink.state_backend != "heap":
        parts.append(project.settings.flink.state_backend)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return StateFolder(state_root(project, plan), digest), None


def state_root(project: Project, plan: JobPlan) -> Path:
    """Return the folder of all states that the job has had."""
    configured = project.settings.flink.checkpoint_folder
    return (Path(configured) if configured else project.folders.flink) / plan.group


def kafka_properties(connection: KafkaConnection) -> dict[str, str]:
    """Return the login and certificates of a connection under the names of the Java client."""
    properties: dict[str, str] = {}
    if connection.security_protocol != "PLAINTEXT":
        properties["security.protocol"] = connection.security_protocol
    if connection.sasl_mechanism:
        module = "plain.PlainLoginModule" if connection.sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
        password = connection.sasl_password.get_secret_value() if connection.sasl_password else ""
        login = f"username={_quoted(connection.sasl_username or '')} password={_quoted(password)}"
        # The connector's own copy of the client, under its own package.
        package = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"
        properties["sasl.mechanism"] = connection.sasl_mechanism
        properties["sasl.jaas.config"] = f"{package}.{module} required {login};"
    if connection.ssl_cafile:
        properties["ssl.truststore.type"] = "PEM"
        properties["ssl.truststore.location"] = str(Path(connection.ssl_cafile).absolute())
    if connection.ssl_certfile:
        properties["ssl.keystore.type"] = "PEM"
        properties["ssl.keystore.location"] = str(Path(connection.ssl_certfile).absolute())
    return properties


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
