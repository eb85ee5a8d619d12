// What devices can do over AMQP and not over MQTT, with the official SDK for Node.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { selfSigned } from './certificate.js';
import { everywhere, listen } from './listening.js';
import { AMQP, Message, NoRetry, TRANSPORTS, arrivals, fromConnectionString, onMethod, report } from './sdk.js';
import { Device, Simulator, bodies, bounded, pause } from './simulator.js';

let simulator;
before(async () => (simulator = await Simulator.start()));
after(() => simulator.stop());

const text = (message) => message.getData().toString();
const isConnected = ({ state }) => state === 'connected';
const isDisconnected = ({ state }) => state === 'disconnected';

async function isEnabled(device) {
  const devices = await simulator.ask('GET', '/control/devices');
  return devices.find(({ deviceId }) => deviceId === device.id).enabled;
}

for (const [name, transport] of Object.entries(AMQP)) {
  describe(`over ${name}`, { concurrency: 4 }, () => {

    async function opened(t) {
      const device = await simulator.addDevice();
      const client = await fromConnectionString(t, simulator, transport, device.connectionString);
      await client.open();
      return [device, client];
    }

    test('a message is completed, abandoned or rejected', async (t) => {
      const [device, client] = await opened(t);
      const arrived = arrivals(client, 'message');
      const next = async (expected, deliveries) => {
        const message = await arrived.next();
        assert.deepEqual([text(message), message.transportObj.delivery_count], [expected, deliveries]);
        return message;
      };
      await device.send('kept');
      await client.abandon(await next('kept', 0));
      await client.abandon(await next('kept', 1));
      await client.complete(await next('kept', 2));
      await device.send('refused');
      await client.reject(await next('refused', 0));
      await device.send('the last');
      await client.complete(await next('the last', 0));
    });

    test('a message that its client left unsettled is there for the next one', async (t) => {
      const [device, first] = await opened(t);
      const unsettled = arrivals(first, 'message');
      await device.send('left');
      assert.equal(text(await unsettled.next()), 'left');
      await first.close();
      const second = await fromConnectionString(t, simulator, transport, device.connectionString);
      await second.open();
      const message = await arrivals(second, 'message').next();
      assert.equal(text(message), 'left');
      await second.complete(message);
    });

    test('a device that has closed what it listened by is there no more', async (t) => {
      const [device, client] = await opened(t);
      assert.equal(await device.isConnected(), false, 'a token alone connects nobody');
      await client.sendEvent(new Message('here'));
      await device.untilConnected();
      await client.close();
      await device.untilConnected(false);
    });

    test('a message that is too large is refused, and the next one passes', async (t) => {
      const [device, client] = await opened(t);
      client.setRetryPolicy(new NoRetry());
      const disconnects = arrivals(client, 'disconnect');
      await assert.rejects(client.sendEvent(new Message('x'.repeat(256 << 10))), { name: 'MessageTooLargeError' });
      // The link has ended, and to this SDK that is the end of the connection.
      await disconnects.next();
      await bounded('the client is open again', client.open());
      await client.sendEvent(new Message('small'));
      assert.deepEqual(bodies(await device.events(1)), ['small']);
    });

    test('a certificate opens its device', async (t) => {
      const deviceId = `x${randomBytes(6).toString('hex')}`;
      const { cert, key, thumbprint } = selfSigned(deviceId);
      const made = { deviceId, x509: { thumbprints: [thumbprint] } };
      const device = new Device(simulator, { ...(await simulator.ask('POST', '/control/devices', made)), modules: [] });
      const connectionString = `HostName=${simulator.host};DeviceId=${deviceId};x509=true`;
      const own = await fromConnectionString(t, simulator, transport, connectionString, { cert, key });
      await own.open();
      await own.sendEvent(new Message('by certificate'));
      assert.deepEqual(bodies(await device.events(1)), ['by certificate']);
      await report(await own.getTwin(), { trusted: true });
      onMethod(own, 'echo', (payload) => [200, payload]);
      assert.deepEqual(await device.invoke('echo', 1, { connect: 5 }), { status: 200, payload: 1 });
      await device.send('to the device');
      const message = await arrivals(own, 'message').next();
      assert.equal(text(message), 'to the device');
      await own.complete(message);

      const another = await fromConnectionString(t, simulator, transport, connectionString, selfSigned(deviceId));
      another.setRetryPolicy(new NoRetry());
      await another.open();
      await assert.rejects(another.sendEvent(new Message('with another')), { name: 'UnauthorizedError' });
      assert.equal((await device.soFar()).length, 1);
    });

    test('a token is renewed and every link stays', async (t) => {
      const device = await simulator.addDevice();
      const options = { tokenRenewal: { tokenValidTimeInSeconds: 4, tokenRenewalMarginInSeconds: 2 } };
      const client = await fromConnectionString(t, simulator, transport, device.connectionString, options);
      const connections = await device.connections(t);
      const listening = await listen(client);
      await connections.until(isConnected);
      const stays = connections.until(isDisconnected).then(({ reason }) => assert.fail(reason));
      stays.catch(() => {});
      // The first token is over then.
      await Promise.race([pause(5_000), stays]);
      await everywhere(device, listening);
    });

    for (const [how, lever, reason] of [
      ['an expired token', (device) => device.pull({ expireTokens: true }), /401003/],
      ['being disabled', (device) => device.enable(false), /disabled/],
    ]) {
      test(`${how} ends the connection, as the application hears`, async (t) => {
        const [device, client] = await opened(t);
        const connections = await device.connections(t);
        const disconnects = arrivals(client, 'disconnect');
        await client.sendEvent(new Message('here'));
        await lever(device);
        assert.match((await connections.until(isDisconnected)).reason, reason);
        await disconnects.next();
        if (!(await isEnabled(device))) {
          await assert.rejects(client.open(), /authoriz/i);
          await device.enable(true);
        }
        await everywhere(device, await listen(client));
      });
    }

    test('a dropped acknowledgement keeps the SDK waiting', async (t) => {
      const [device, client] = await opened(t);
      await device.pull({ dropNextAck: true });
      const sending = client.sendEvent(new Message('once')).then(() => 'sent');
      sending.catch(() => {});
      await device.events(1);
      assert.equal(await Promise.race([sending, pause(50)]), undefined);
      await client.sendEvent(new Message('twice'));
      assert.deepEqual(bodies(await device.soFar()), ['once', 'twice']);
    });

    for (const [first, second] of [
      [name, 'MQTT'],
      ['MQTT', name],
    ]) {
      test(`a connection over ${second} ends one over ${first}`, async (t) => {
        const device = await simulator.addDevice();
        const open = async (over) => {
          const client = await fromConnectionString(t, simulator, TRANSPORTS[over], device.connectionString);
          client.setRetryPolicy(new NoRetry());
          await client.open();
          await client.sendEvent(new Message(`over ${over}`));
          return client;
        };
        const connections = await device.connections(t);
        const disconnects = arrivals(await open(first), 'disconnect');
        await connections.until(isConnected);
        const newer = await open(second);
        await disconnects.next();
        assert.match((await connections.until(isDisconnected)).reason, /400027/);
        await newer.sendEvent(new Message('still here'));
        assert.deepEqual(bodies(await device.soFar()), [`over ${first}`, `over ${second}`, 'still here']);
      });
    }
  });
}
