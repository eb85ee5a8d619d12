// A self-signed certificate of a device's, made here so that none lies about: the few parts of X.509 that it takes.

import { X509Certificate, generateKeyPairSync, sign } from 'node:crypto';

const DAY = 24 * 60 * 60 * 1000;

/** One value in DER: tag, length, and what it holds. */
function der(tag, ...parts) {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts) => der(0x30, ...parts);
const identifier = (hex) => der(0x06, Buffer.from(hex, 'hex'));
const time = (date) => der(0x17, Buffer.from(date.toISOString().slice(2).replace(/[-:T]|\.\d+/g, '')));

const ECDSA_WITH_SHA256 = sequence(identifier('2a8648ce3d040302'));
const COMMON_NAME = identifier('550403');

/** A certificate for `name` from yesterday to tomorrow, as the SDK takes it, and its thumbprint. */
export function selfSigned(name) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const subject = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ECDSA_WITH_SHA256,
    subject,
    sequence(time(new Date(Date.now() - DAY)), time(new Date(Date.now() + DAY))),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]);
  const certificate = new X509Certificate(sequence(body, ECDSA_WITH_SHA256, der(0x03, signature)));
  return {
    cert: certificate.toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    thumbprint: certificate.fingerprint256.replaceAll(':', ''),
  };
}
