// A device's own program, as its maker writes it: registers, connects to the hub it is given, says hello.
//
// A process of its own, because the SDK's provisioning transports take their authorities from NODE_EXTRA_CA_CERTS only.
// Reads what to do as JSON from its first argument, and prints one JSON line: the assignment or the error.

import azureDevice from 'azure-iot-device';
import azureMqtt from 'azure-iot-device-mqtt';
import azureProvisioning from 'azure-iot-provisioning-device';
import azureProvisioningHttp from 'azure-iot-provisioning-device-http';
import azureProvisioningMqtt from 'azure-iot-provisioning-device-mqtt';
import azureSymmetricKey from 'azure-iot-security-symmetric-key';
import azureX509 from 'azure-iot-security-x509';

const TRANSPORTS = {
  mqtt: azureProvisioningMqtt.Mqtt,
  websocket: azureProvisioningMqtt.MqttWs,
  http: azureProvisioningHttp.Http,
};

const { host, scope, transport, registrationId, key, certificate, payload, hello } = JSON.parse(process.argv[2]);
const security = key
  ? new azureSymmetricKey.SymmetricKeySecurityClient(registrationId, key)
  : new azureX509.X509Security(registrationId, certificate);
const client = azureProvisioning.ProvisioningDeviceClient.create(host, scope, new TRANSPORTS[transport](), security);
if (payload) client.setProvisioningPayload(payload);

function finish(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
}

try {
  const { assignedHub, deviceId, status, substatus } = await client.register();
  if (hello) {
    const proof = key ? `SharedAccessKey=${key}` : 'x509=true';
    const string = `HostName=${assignedHub};DeviceId=${deviceId};${proof}`;
    const device = azureDevice.Client.fromConnectionString(string, azureMqtt.Mqtt);
    if (certificate) await device.setOptions(certificate);
    await device.open();
    await device.sendEvent(new azureDevice.Message(hello));
    await device.close();
  }
  finish({ assignedHub, deviceId, status, substatus });
} catch (error) {
  const { name, message, result } = error;
  finish({ error: name, message, result });
}
