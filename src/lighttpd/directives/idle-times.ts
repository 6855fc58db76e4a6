import { RULE_OPTIONS } from '../../options/rule-options.js';
import type { RuleOptions } from '../../types.js';
import type { Block } from '../evaluate/blocks.js';
import { readNumberValue } from '../evaluate/value-readers.js';
import { checkAt, failAt } from '../syntax/source.js';

export const PING_INTERVAL = 'wstunnel.ping-interval';
export const MAX_READ_IDLE = 'server.max-read-idle';

/** lighttpd's defaults. */
const NO_PINGS = 0;
const DEFAULT_READ_IDLE = 60;
/** The maximum of our option. */
const MAX_PONG_TIMEOUT = 300;

/**
 * lighttpd ends a tunnel whose client has sent no bytes for `server.max-read-idle` seconds; an answer to a PING counts
 * (`mod_wstunnel_handle_trigger`). Without pings, or with a ping interval above that time, the directive ends silent tunnels, like
 * our `idleTimeout`, which counts bytes of the backend too. With pings, the directive ends only tunnels whose client is dead, like
 * our `pongTimeout`.
 */
export function readIdleTimes(block: Block): RuleOptions {
  if (block.parent && !block.settings.has(PING_INTERVAL) && !block.settings.has(MAX_READ_IDLE)) return {};
  const ping = inherited(block, PING_INTERVAL) ?? NO_PINGS;
  const idle = inherited(block, MAX_READ_IDLE) ?? DEFAULT_READ_IDLE;
  if (ping === 0 || ping >= idle) return { pingInterval: ping, idleTimeout: idle };
  return { pingInterval: ping, pongTimeout: Math.min(idle, MAX_PONG_TIMEOUT), idleTimeout: 0 };
}

/** Each block alone decides which options its two times become: if two blocks apply together, each block must set both times. */
export function checkIdleTimes(blocks: readonly Block[]): void {
  const [pings, idles] = [PING_INTERVAL, MAX_READ_IDLE].map((name) =>
    blocks.filter((block) => block.parent && block.settings.has(name)),
  );
  for (const one of pings ?? [])
    for (const other of idles ?? []) {
      if (contains(one, other) || contains(other, one)) continue;
      if (one.settings.has(MAX_READ_IDLE) && other.settings.has(PING_INTERVAL)) continue;
      failAt(
        other.settings.get(MAX_READ_IDLE) ?? other,
        `${PING_INTERVAL} and ${MAX_READ_IDLE} are set in different conditions: set both in each of them`,
      );
    }
}

function inherited(block: Block, name: string): number | undefined {
  for (let one: Block | undefined = block; one; one = one.parent) {
    const setting = one.settings.get(name);
    if (!setting) continue;
    const seconds = readNumberValue(setting.value, name, 65535);
    checkAt(setting.value, () =>
      (name === PING_INTERVAL ? RULE_OPTIONS.pingInterval : RULE_OPTIONS.idleTimeout).check(seconds, name),
    );
    if (name === MAX_READ_IDLE && seconds === 0)
      failAt(setting, `${MAX_READ_IDLE} = 0 would end every tunnel at once`);
    return seconds;
  }
  return undefined;
}

function contains(outer: Block, inner: Block): boolean {
  let one: Block | undefined = inner;
  while (one && one !== outer) one = one.parent;
  return one !== undefined;
}
