"""Certificates as an operator's own authority makes them, for devices that prove themselves with X.509."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


class Certificate:
    """A certificate with its key, signed by an `issuer` or by itself."""

    def __init__(self, name, issuer=None, authority=False, age=DAY, life=30 * DAY):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        begins = datetime.datetime.now(datetime.timezone.utc) - age
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + life)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(usage, critical=False)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def chain_pem(self):
        """This certificate and those above it, without the authority at the top."""
        above = self.issuer
        pem = self.pem
        while above and above.issuer:
            pem += above.pem
            above = above.issuer
        return pem

    @property
    def key_pem(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def thumbprint(self):
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()

    def write(self, directory):
        """Two files, as SDKs ask for them: the chain and the key."""
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        certificate.write_text(self.chain_pem)
        key.write_text(self.key_pem)
        return str(certificate), str(key)
