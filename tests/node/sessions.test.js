// What must survive renewals, cuts and take-overs with the official SDK for Node, and who is not let in at all.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { everywhere, listen } from './listening.js';
import { MQTT, Message, NoRetry, TRANSPORTS, arrivals, fromConnectionString, fromToken } from './sdk.js';
import { Simulator, bodies, bounded, pause } from './simulator.js';

let simulator;
before(async () => (simulator = await Simulator.start()));
after(() => simulator.stop());

const isConnected = ({ state }) => state === 'connected';
const isDisconnected = ({ state }) => state === 'disconnected';
const unauthorized = { name: 'UnauthorizedError' };
const keyOf = (connectionString) => connectionString.match(/SharedAccessKey=([^;]+)/)[1];
const withDeviceId = (connectionString, id) => connectionString.replace(/DeviceId=[^;]+/, `DeviceId=${id}`);

function token(audience, key, life = 3600) {
  const resource = encodeURIComponent(audience);
  const expiry = Math.floor(Date.now() / 1000) + life;
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${resource}\n${expiry}`).digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}`;
}

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  describe(`over ${name}`, { concurrency: 4 }, () => {
    // Over AMQP the SDK renews without connecting anew, and leaves an end to the application: see amqp.test.js.
    const overMqtt = name in MQTT ? test : () => {};

    async function made(t, options) {
      const device = await simulator.addDevice();
      return [device, await fromConnectionString(t, simulator, transport, device.connectionString, options)];
    }

    overMqtt('a token is renewed and nothing subscribed is lost', async (t) => {
      const tokenRenewal = { tokenValidTimeInSeconds: 4, tokenRenewalMarginInSeconds: 2 };
      const [device, client] = await made(t, { tokenRenewal });
      const connections = await device.connections(t);
      const listening = await listen(client);
      await connections.until(isConnected);
      await connections.until(isConnected);
      await everywhere(device, listening);
    });

    overMqtt('an expired token ends the connection and the next one hears everything', async (t) => {
      const [device, client] = await made(t);
      const connections = await device.connections(t);
      const listening = await listen(client);
      await device.pull({ expireTokens: true });
      assert.match((await connections.until(isDisconnected)).reason, /401003/);
      await connections.until(isConnected);
      await everywhere(device, listening);
    });

    test('a cut link loses neither message nor patch', async (t) => {
      const [device, client] = await made(t);
      const connections = await device.connections(t);
      const listening = await listen(client);
      await everywhere(device, listening);
      await device.pull({ link: 'cut' });
      await connections.until(isDisconnected);
      await device.desire({ number: 1 });
      await device.desire({ number: 2 });
      for (const number of [0, 1, 2]) await device.send(`to the device ${number}`);
      const sent = [0, 1, 2].map((number) => client.sendEvent(new Message(`to the hub ${number}`)));
      await device.pull({ link: 'up' });
      await bounded('every event is sent', Promise.all(sent));
      const arrived = (await listening.arrived.take(3)).map((message) => message.getData().toString());
      assert.deepEqual(arrived, ['to the device 0', 'to the device 1', 'to the device 2']);
      const atTheHub = new Set(bodies(await device.soFar()));
      for (const number of [0, 1, 2]) assert.ok(atTheHub.has(`to the hub ${number}`));
      // This SDK does not ask again; an application that does sees the patches it missed.
      await listening.client.getTwin();
      assert.equal(listening.twin.properties.desired.number, 2);
      await everywhere(device, listening);
    });

    overMqtt('messages sent while connections end all arrive', async (t) => {
      const [device, client] = await made(t);
      await client.open();
      for (let number = 0; number < 20; number++) {
        const sending = client.sendEvent(new Message(`${number}`));
        if (number % 5 === 2) await device.pull({ expireTokens: true });
        await bounded(`${number} is sent`, sending);
      }
      assert.deepEqual([...new Set(bodies(await device.soFar()))], [...Array(20).keys()]);
    });

    overMqtt('a dropped acknowledgement makes the SDK send again', async (t) => {
      const [device, client] = await made(t);
      await client.open();
      await device.pull({ dropNextAck: true });
      const sending = client.sendEvent(new Message('once more')).then(() => 'sent');
      await device.events(1);
      assert.equal(await Promise.race([sending, pause(50)]), undefined);
      await device.pull({ expireTokens: true });
      await bounded('the event is sent', sending);
      assert.deepEqual(bodies(await device.events(2)), ['once more', 'once more']);
    });

    overMqtt('a second connection ends the first', async (t) => {
      const [device, first] = await made(t);
      first.setRetryPolicy(new NoRetry());
      const connections = await device.connections(t);
      const disconnects = arrivals(first, 'disconnect');
      await first.open();
      const second = await fromConnectionString(t, simulator, transport, device.connectionString);
      const listening = await listen(second);
      await disconnects.next();
      assert.match((await connections.until(isDisconnected)).reason, /400027/);
      await everywhere(device, listening);
    });

    overMqtt('a disabled device is ended, refused, and let in when enabled', async (t) => {
      const [device, client] = await made(t);
      client.setRetryPolicy(new NoRetry());
      const disconnects = arrivals(client, 'disconnect');
      await client.open();
      await device.enable(false);
      await disconnects.next();
      // Of a client that was connected once, the SDK calls this a NotConnectedError.
      await assert.rejects(client.open(), /Not authorized/);
      await device.enable(true);
      await everywhere(device, await listen(client));
    });

    test('a removed device is refused', async (t) => {
      const [device, client] = await made(t);
      await device.remove();
      await assert.rejects(client.open(), unauthorized);
    });

    test('a refused token passes', async (t) => {
      const [device, client] = await made(t);
      await device.pull({ refuseTokens: true });
      await assert.rejects(client.open(), unauthorized);
      await device.pull({ refuseTokens: false });
      await everywhere(device, await listen(client));
    });

    test('wrong credentials are refused', async (t) => {
      const [device, other] = await Promise.all([simulator.addDevice(), simulator.addDevice()]);
      const audience = `${simulator.host}/devices/${device.id}`;
      const key = keyOf(device.connectionString);
      const elsewhere = device.connectionString
        .replace(/HostName=[^;]+/, 'HostName=elsewhere.azure-devices.net')
        .concat(`;GatewayHostName=${simulator.host}`);
      const wrong = {
        'the key of another': withDeviceId(other.connectionString, device.id),
        'an unknown device': withDeviceId(device.connectionString, 'nobody'),
        'another hub': elsewhere,
      };
      for (const [what, connectionString] of Object.entries(wrong)) {
        const client = await fromConnectionString(t, simulator, transport, connectionString);
        await assert.rejects(client.open(), unauthorized, what);
      }
      const expired = await fromToken(t, simulator, transport, token(audience, key, -330));
      await assert.rejects(expired.open(), unauthorized, 'an expired token');
      const late = await fromToken(t, simulator, transport, token(audience, key, -240));
      await late.open();
    });
  });
}
