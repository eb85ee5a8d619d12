// What an application listens to with the SDK, and whether it still hears and is heard.

import assert from 'node:assert/strict';

import { Message, arrivals, messages, onMethod, report } from './sdk.js';
import { bodies, bounded } from './simulator.js';

/** Everything an application listens to. */
export async function listen(client) {
  await client.open();
  const arrived = messages(client);
  const twin = await client.getTwin();
  const patches = arrivals(twin, 'properties.desired');
  onMethod(client, 'mark', (payload) => [200, payload]);
  await report(twin, { listening: true });
  return { client, arrived, twin, patches };
}

let marks = 0;

/** Checks that a client is heard and hears, in each of the ways it can. */
export async function everywhere(device, { client, arrived, twin, patches }) {
  const mark = `mark ${++marks}`;
  await bounded('the event is sent', client.sendEvent(new Message(mark)));
  assert.ok(bodies(await device.soFar()).includes(mark));
  await device.send(mark);
  await arrived.until((message) => message.getData().toString() === mark);
  await device.desire({ mark });
  await patches.until((patch) => patch.mark === mark);
  assert.equal(twin.properties.desired.mark, mark);
  await report(twin, { mark });
  assert.equal((await device.reported()).mark, mark);
  assert.deepEqual(await device.invoke('mark', mark, { connect: 10 }), { status: 200, payload: mark });
}
