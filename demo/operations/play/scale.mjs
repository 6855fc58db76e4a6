import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { PATIENCE } from './patience.mjs';

/** False on a kernel without IPv6, where the line `bind :::443` of haproxy.cfg must go. */
export const hasIpv6 = existsSync('/proc/net/if_inet6');

/** Seconds of the play in place of those of config.json. */
export const TIMES = { grace: 2, spread: 1, drain: 2, linger: 1, ttl: 3 * PATIENCE };

/** A minute of the alert rules is a second of the play. */
const RULES_SCALE = 60;

/** More users than in config.json, so that no client of the load reaches the limit `perUser`. */
export const MORE_USERS = ['carl', 'dora', 'emil', 'fay'];

/** Shortens the times of the installed files, so that the day fits in less than a minute, and adds users. */
export function scaleTimes() {
  for (const user of MORE_USERS) {
    const file = `/etc/express-wstunnel/users/${user}`;
    writeFileSync(file, randomBytes(12).toString('hex'), { mode: 0o640 });
    execFileSync('chgrp', ['express-wstunnel', file]);
  }
  edit('/etc/express-wstunnel/config.json', (text) => {
    const { ttl, ...times } = TIMES;
    const { auth, shared, ...config } = JSON.parse(text);
    const more = MORE_USERS.map((user) => `${user}:/etc/express-wstunnel/users/${user}`);
    const changes = { ...times, auth: [...auth, ...more], shared: { ...shared, ttl, timeout: PATIENCE } };
    return JSON.stringify({ ...config, ...changes }, null, 2);
  });
  edit('/etc/haproxy/haproxy.cfg', (text) => text.replace('check 5s', `check ${5000 * PATIENCE}ms`));
  if (!hasIpv6) edit('/etc/haproxy/haproxy.cfg', (text) => text.replace(/^ *bind :::443.*$/m, ''));
  edit('/etc/prometheus/prometheus.yml', (text) => text.replaceAll(': 15s', ': 500ms'));
  for (const file of ['desk', 'express-wstunnel']) edit(`/etc/prometheus/${file}.yml`, shortenRules);
}

const SECONDS = { s: 1, m: 60, h: 3600 };

function shortenRules(text) {
  return text.replaceAll(/(for: |\[|offset )(\d+)([smh])\b/g, (_, before, count, unit) => {
    const ms = (Number(count) * SECONDS[unit] * 1000) / RULES_SCALE;
    return `${before}${Math.ceil(ms)}ms`;
  });
}

function edit(file, change) {
  const text = readFileSync(file, 'utf8');
  const changed = change(text);
  if (changed === text) throw new Error(`${file} has no text to change`);
  writeFileSync(file, changed);
}
