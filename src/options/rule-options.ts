import { checkAddresses } from './checks/address-list.js';
import { checkBalance } from './checks/balance.js';
import { checkMade } from './checks/makers.js';
import { checkValues } from './checks/names.js';
import { checkOrigins } from './checks/origins.js';
import { checkString } from './checks/basic.js';
import { checkRevalidate } from './read-revalidate.js';
import { checkVnc } from './read-vnc.js';
import { functionRow, row, secondsRow, wordRow, type Rows } from './row.js';
import type { RuleOptions } from '../types.js';

/** The options that a rule may set as well, with their defaults. Times in seconds. */
export const RULE_OPTIONS = {
  // read-hosts.ts checks the hosts while reading: certificates are not read twice.
  server: row(() => undefined),
  // lighttpd's default.
  balance: row(checkBalance, 'fair'),
  stickyKey: functionRow(),
  mapExtensions: row((value, name) => checkValues(value, name, checkString)),
  // Tunnels carry bytes; text frames would have to be UTF-8.
  frameType: wordRow(['binary', 'text'], 'binary'),
  subprotocol: functionRow(),
  // Pages of other sites must not use the login of the browser in which they are open.
  origins: row(checkOrigins, 'same'),
  allow: row(checkAddresses),
  deny: row(checkAddresses),
  clientAddress: functionRow(),
  authenticate: functionRow(),
  user: functionRow(),
  // A request without a ticket is one that the app's own login has let pass.
  tickets: wordRow(['accept', 'require'], 'accept'),
  session: functionRow(),
  // A check costs the app as much as a page.
  revalidate: row(checkRevalidate, 0),
  record: row(checkMade),
  control: functionRow(),
  vnc: row(checkVnc),
  // Below the 60 s after which most proxies drop a silent connection.
  pingInterval: secondsRow(0, 900, 30),
  // Longer than any stall of a working network; with the interval, a dead client is found within a minute. Bytes in flight extend
  // the timeout (frames/heartbeat.ts).
  pongTimeout: secondsRow(0, 300, 20),
  // Long enough for a slow login and a sleeping backend, short enough to free the resources of a request that hangs.
  handshakeTimeout: secondsRow(0.001, 300, 30),
  // Silence is not an error.
  idleTimeout: secondsRow(0, 86_400, 0),
  maxDuration: secondsRow(0, 31_622_400, 0),
  // Bytes in flight on a slow line arrive in time; a dead client does not occupy the backend for longer.
  closeTimeout: secondsRow(0.001, 300, 10),
  // Twelve megabytes at 13 kB/s; a byte now and then cannot keep a closed tunnel for longer.
  drainTimeout: secondsRow(0.001, 86_400, 900),
  // lighttpd's `server.max-write-idle`. A slow line accepts more bytes every few minutes at the least.
  writeTimeout: secondsRow(0, 86_400, 360),
  refuseWith: wordRow(['http', 'close'], 'http'),
  onRefuse: functionRow(),
} as const satisfies Rows<RuleOptions>;
