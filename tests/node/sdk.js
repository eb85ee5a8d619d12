// The official SDK's clients, unmodified: made for one simulator and one transport, and closed when the test ends.

import { after } from 'node:test';

import azureCommon from 'azure-iot-common';
import azureDevice from 'azure-iot-device';
import azureAmqp from 'azure-iot-device-amqp';
import azureMqtt from 'azure-iot-device-mqtt';

import { Arrivals, bounded } from './simulator.js';

export const { NoRetry } = azureCommon;
export const { Message } = azureDevice;
export const MQTT = { MQTT: azureMqtt.Mqtt, WebSocket: azureMqtt.MqttWs };
export const AMQP = { AMQP: azureAmqp.Amqp, 'AMQP over WebSocket': azureAmqp.AmqpWs };
export const TRANSPORTS = { ...MQTT, ...AMQP };

const { Client, ModuleClient } = azureDevice;

// An AMQP client that was closed while its link was down goes on connecting, for five minutes after the last test.
after(() => setTimeout(() => process.exit(), 5_000).unref());

/** A device's or module's client from its connection string. */
export function fromConnectionString(test, simulator, transport, connectionString, options = {}) {
  const kind = connectionString.includes('ModuleId=') ? ModuleClient : Client;
  return prepared(test, kind.fromConnectionString(connectionString, transport), { ca: simulator.ca, ...options });
}

/** A module's client from the environment the Edge runtime, or a development tool, gives it: the CA included. */
export async function fromEnvironment(test, transport, environment, options) {
  Object.assign(process.env, environment);
  try {
    return await prepared(test, await ModuleClient.fromEnvironment(transport), options);
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
  }
}

export function fromToken(test, simulator, transport, token) {
  return prepared(test, Client.fromSharedAccessSignature(token, transport), { ca: simulator.ca });
}

async function prepared(test, client, options) {
  // An SDK closes what is not open at once, and a client that was refused is not open.
  test.after(() => bounded('the client closes', client.close().catch(() => {})));
  // Setting any option takes the CA from a client that has it from its environment.
  if (options) await client.setOptions(options);
  return client;
}

/** Keeps what a client's event brings. */
export function arrivals(client, event) {
  const arrived = new Arrivals(event);
  client.on(event, arrived.put);
  return arrived;
}

/** Cloud-to-device messages, each completed when it is here. */
export function messages(client) {
  const arrived = new Arrivals('message');
  client.on('message', (message) => {
    arrived.put(message);
    client.complete(message);
  });
  return arrived;
}

/** Messages on a module's inputs, each completed when it is here. */
export function inputs(client) {
  const arrived = new Arrivals('input message');
  client.on('inputMessage', (input, message) => {
    arrived.put({ input, message });
    client.complete(message);
  });
  return arrived;
}

/** Answers methods of one name with the status and payload that `answer` returns. */
export function onMethod(client, name, answer) {
  const register = client.onDeviceMethod ?? client.onMethod;
  register.call(client, name, (request, response) => response.send(...answer(request.payload)));
}

/** Reports properties. Once it is answered, all that the client asked for before is in place. */
export function report(twin, patch) {
  const answered = new Promise((resolve, reject) => {
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
  });
  return bounded('the report is answered', answered);
}
