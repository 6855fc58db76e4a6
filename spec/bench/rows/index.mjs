// The measurements (rows), and their targets.
import { besideRows } from './beside.mjs';
import { callRows } from './calls.mjs';
import { connectionRows } from './connections.mjs';
import { memoryRows } from './memory.mjs';
import { trafficRows } from './traffic.mjs';
import { tripRows } from './trips.mjs';
import { websocketRows } from './websocket.mjs';

/**
 * @typedef {object} Target bounds of a row's metric: of our figure, or of our figure divided by another one
 * @property {string} metric
 * @property {string | Term[]} [against] the peer to compare with in the same row; or several figures, of which the sum counts.
 *   `lighttpd` is its newest build in the run
 * @property {number} [least]
 * @property {number} [most]
 *
 * @typedef {object} Term a figure of the same metric
 * @property {string} peer
 * @property {string} row
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} what
 * @property {keyof typeof import('./metrics.mjs').METRICS} kind
 * @property {number} [tunnels]
 * @property {string[]} args arguments of the load
 * @property {boolean} [tls]
 * @property {boolean} [websocket] the backend speaks WebSocket
 * @property {'bare' | 'session'} [variant] the variant of our relay
 * @property {number} [workers] the relay is our command with this number of workers, on all cores
 * @property {{ node: number, other: number }} [settle] seconds before the memory is measured, for relays in Node and for others
 * @property {string[]} [peers] the only peers of the row
 * @property {boolean} [framesOnly] the row does not apply to a relay without WebSocket
 * @property {number} [leastCalls] fewest possible system calls per MB or trip
 * @property {Target[]} [targets]
 */

/** @returns {Row[]} */
export function allRows({ quick = false } = {}) {
  return [trafficRows, tripRows, besideRows, connectionRows, websocketRows, memoryRows, callRows].flatMap(
    (rows) => rows({ quick }),
  );
}
