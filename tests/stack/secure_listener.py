"""A second listener of the tests' broker: TLS with certificates made here, for both sides, and a login."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from headrace_ingestion import KafkaConnection
from pydantic import SecretStr

from headrace.stack.ports import LOOPBACK

# The host name is checked against the certificate, and the client must show one of its own.
_LISTENER = """
listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{{controller_port}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_SSL://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_sender="s3cret";
listener.name.sasl_ssl.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={broker}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
"""


def secure_listener(folder: Path, port: int) -> tuple[str, KafkaConnection]:
    """Write certificates and return the broker's configuration, and the connection that it lets in."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("authority", authority_key, "authority", authority_key)
    paths = {name: folder / f"{name}.pem" for name in ("authority", "broker", "client")}
    paths["authority"].write_bytes(authority.public_bytes(Encoding.PEM))
    for name in ("broker", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, "authority", authority_key)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        paths[name].write_bytes(private + certificate.public_bytes(Encoding.PEM))
    connection = KafkaConnection(
        bootstrap_servers=f"{LOOPBACK}:{port}",
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="sender",
        sasl_password=SecretStr("s3cret"),
        ssl_cafile=str(paths["authority"]),
        ssl_certfile=str(paths["client"]),
    )
    return _LISTENER.format(port=port, broker=paths["broker"], authority=paths["authority"]), connection


def _certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=subject == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
