// A device's own program that uploads files with the official SDK for Node.
//
// A process of its own, because the storage client within takes its authorities from NODE_EXTRA_CA_CERTS only. Prints one
// JSON line.

import { Readable } from 'node:stream';

import azureStorage from '@azure/storage-blob';
import azureDevice from 'azure-iot-device';
import azureMqtt from 'azure-iot-device-mqtt';

const { connectionString, scenario, size } = JSON.parse(process.argv[2]);
const client = azureDevice.Client.fromConnectionString(connectionString, azureMqtt.Mqtt);
const body = Buffer.alloc(size, 'cow ');

const scenarios = {
  async upload() {
    await client.uploadToBlob('by stream.bin', Readable.from([body]), size);
    return {};
  },

  async byHand() {
    const info = await client.getBlobSharedAccessSignature('by hand.bin');
    const url = `https://${info.hostName}/${info.containerName}/${info.blobName}${info.sasToken}`;
    const blob = new azureStorage.BlockBlobClient(url);
    await blob.uploadData(body, { blockSize: 64 << 10, maxSingleShotSize: 64 << 10 });
    const back = await blob.downloadToBuffer(0, size, { blockSize: 100_000, concurrency: 3 });
    await client.notifyBlobUploadStatus(info.correlationId, true, 200, 'OK');
    return { name: blob.name, container: blob.containerName, same: back.equals(body) };
  },

  async failed() {
    const info = await client.getBlobSharedAccessSignature('failed.bin');
    await client.notifyBlobUploadStatus(info.correlationId, false, 500, 'no network');
    return {};
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
// Files go over HTTPS, so that the client was never connected; closing it then waits for a connection.
process.exit();
