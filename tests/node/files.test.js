// The official device SDK for Node uploads files to the simulated hub, by its own way and by hand.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { BOUND, Simulator } from './simulator.js';

const run = promisify(execFile);
const program = fileURLToPath(new URL('uploader.js', import.meta.url));

let simulator;
before(async () => (simulator = await Simulator.start()));
after(() => simulator.stop());

/** Runs a device's program with the simulator's authority trusted. */
async function upload(device, scenario, size) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: simulator.ready.caFile };
  const request = JSON.stringify({ connectionString: device.connectionString, scenario, size });
  const { stdout } = await run(process.execPath, [program, request], { env, timeout: 2 * BOUND });
  return JSON.parse(stdout);
}

/** The blobs of one device, by name. */
async function blobsOf(device) {
  const { containers } = await simulator.ask('GET', '/control/blobs');
  const blobs = containers.flatMap((container) => container.blobs);
  return blobs.filter(({ name }) => name.startsWith(`${device.id}/`));
}

test('a file goes up as a stream', async () => {
  const device = await simulator.addDevice();
  // More than one of the SDK's blocks of 4 MiB.
  const size = 9_000_000;
  await upload(device, 'upload', size);
  const [blob] = await blobsOf(device);
  assert.deepEqual([blob.name, blob.contentLength], [`${device.id}/by stream.bin`, size]);
});

test('a file goes up by hand and comes back', async () => {
  const device = await simulator.addDevice();
  const seen = await upload(device, 'byHand', 300_000);
  assert.equal(seen.same, true);
  assert.deepEqual([seen.container, seen.name], ['uploads', `${device.id}/by hand.bin`]);
});

test('an upload that failed may be followed by more than ten others', async () => {
  const device = await simulator.addDevice();
  for (let attempt = 0; attempt < 11; attempt++) await upload(device, 'failed', 1);
  assert.deepEqual(await blobsOf(device), []);
});
