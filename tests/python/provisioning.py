"""The simulated Device Provisioning Service from the operator's side, and the official SDK's client of it."""

import asyncio
import random

from azure.iot.device import X509, ProvisioningDeviceClient, aio

from simulator import BOUND


class Provisioning:
    """Enrolments of one simulator."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.scope = simulator.ready["idScope"]
        self.host = simulator.ready["provisioningHost"]

    def ask(self, method, path, body=None):
        return self.simulator.ask(method, f"/control/dps{path}", body)

    def enroll(self, registration_id=None, attestation=None, **terms):
        """One device; with a key that the service makes, unless it proves itself otherwise."""
        registration_id = registration_id or new_id("r")
        attestation = attestation or {"type": "symmetricKey"}
        body = {"registrationId": registration_id, "attestation": attestation} | terms
        self.ask("PUT", f"/enrollments/{registration_id}", body)
        return registration_id

    def key(self, registration_id, which="primaryKey"):
        return self.ask("GET", f"/enrollments/{registration_id}/keys")[which]

    def group(self, group_id=None, attestation=None, **terms):
        """Many devices; their keys are derived from one that the service makes."""
        group_id = group_id or new_id("g")
        attestation = attestation or {"type": "symmetricKey"}
        body = {"enrollmentGroupId": group_id, "attestation": attestation} | terms
        self.ask("PUT", f"/groups/{group_id}", body)
        return group_id

    def derived_key(self, group_id, registration_id):
        return self.ask("GET", f"/groups/{group_id}/keys/{registration_id}")["key"]

    def registration(self, registration_id):
        return self.ask("GET", f"/registrations/{registration_id}")

    def attempts(self, registration_id):
        return self.ask("GET", f"/attempts?registrationId={registration_id}")

    def client(self, flavour, registration_id, key=None, certificate=None, scope=None, **settings):
        kind = {"sync": ProvisioningDeviceClient, "async": aio.ProvisioningDeviceClient}[flavour]
        settings = {
            "provisioning_host": self.host,
            "registration_id": registration_id,
            "id_scope": scope or self.scope,
            "server_verification_cert": self.simulator.ca,
        } | settings
        if key is not None:
            return Registrant(kind.create_from_symmetric_key(symmetric_key=key, **settings))
        return Registrant(kind.create_from_x509_certificate(x509=X509(*certificate), **settings))


class Registrant:
    """One SDK client that registers, sync and async behind one face."""

    def __init__(self, sdk):
        self.sdk = sdk

    def register(self, payload=None):
        if payload is not None:
            self.sdk.provisioning_payload = payload
        answer = self.sdk.register()
        if asyncio.iscoroutine(answer):
            answer = asyncio.run(asyncio.wait_for(answer, BOUND))
        return answer


def new_id(kind):
    return f"{kind}{random.getrandbits(48):012x}"
