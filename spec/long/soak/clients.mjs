// The clients of the soak test: a few workers. Each worker opens one session after another, and checks its bytes and its end.
import { Buffer } from 'node:buffer';
import { randomBytes, randomInt } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import { SignJWT } from 'jose';
import { checkEnd } from './checks.mjs';
import { fetchPage } from './pages.mjs';
import { anyKind, KINDS, PLAIN } from './sessions.mjs';
import { openHttp1, openHttp2, Refused } from './wire.mjs';

/** Answers that a restart of Redis, a clock step or a reload may cause (close() refuses requests before their 101 with 503); at all other times they are faults. */
const EXCUSED = { redis: [429, 500, 502, 503, 504], clock: [401, 404], command: [502, 503], reload: [503] };

export class Clients {
  finished = 0;
  /** The difference of the server's clock. */
  offset = 0;
  #site;
  #next = 1;
  #isPaused = false;
  #isStopped = false;
  #workers = [];
  #busy = 0;
  #wake = [];
  #troubles = new Map();
  #http2;
  #ends = new Map();
  #ways = new Map();
  #bytes = 0;

  constructor(site) {
    this.#site = site;
  }

  start(count) {
    this.#workers = Array.from({ length: count }, (_, index) => this.#work(`user-${index}`));
  }

  /** One user for all sessions of a worker: a cache with an entry for each user must not look like a leak. */
  async #work(user) {
    while (!this.#isStopped) {
      if (this.#isPaused) {
        await new Promise((resolve) => this.#wake.push(resolve));
        continue;
      }
      this.#busy++;
      await this.#one(user).catch((error) => this.#site.faults.push(`session: ${error.message}`));
      this.#busy--;
      if (!this.#isPaused) await sleep(randomInt(50, 700));
    }
  }

  async pause() {
    this.#isPaused = true;
    while (this.#busy > 0) await sleep(50);
    const session = this.#http2;
    this.#http2 = undefined;
    if (session && !session.destroyed) await new Promise((resolve) => session.close(resolve));
  }

  resume() {
    this.#isPaused = false;
    for (const wake of this.#wake.splice(0)) wake();
  }

  async stop() {
    await this.pause();
    this.#isStopped = true;
    this.resume();
    await Promise.all(this.#workers);
  }

  /** Runs an action that excuses refusals, also for `after` milliseconds after its end. */
  async during(name, action, after = 4000) {
    this.#troubles.set(name, Infinity);
    try {
      return await action();
    } finally {
      this.#troubles.set(name, performance.now() + after);
    }
  }

  #excuses(status, since) {
    return Object.entries(EXCUSED).some(
      ([name, statuses]) => (this.#troubles.get(name) ?? 0) >= since && statuses.includes(status),
    );
  }

  async #one(user) {
    const way = this.#site.kinds
      ? 'plain'
      : ['plain', 'plain', 'ticket', 'file', 'jwt', 'redis', 'command', 'refused'][randomInt(8)];
    if (way === 'refused') return this.#refused();
    if (way === 'command') return this.#session(PLAIN[randomInt(PLAIN.length)], way, user);
    const { kinds } = this.#site;
    const kind = kinds ? kinds[randomInt(kinds.length)] : anyKind();
    // A token or a ticket opens the bytes backend, without the options of another path.
    const isOwn = KINDS[kind].path !== undefined || kind === 'logged-out';
    return this.#session(kind, isOwn ? 'plain' : way, user);
  }

  async #session(kind, way, user) {
    const { sessions, server, faults } = this.#site;
    const id = this.#next++;
    const session = { id, kind, way, user, up: undefined, down: Buffer.alloc(0), backendGot: [] };
    sessions.set(id, session);
    const since = performance.now();
    let cookie;
    let wire;
    const logOut = () => fetchPage(server.http1, '/logout', cookie);
    try {
      if (way !== 'command') ({ cookie } = await fetchPage(server.http1, `/login/${user}`));
      wire = await this.#open(session, way, cookie);
      const plan = KINDS[kind];
      await plan.run(session, wire, {
        faults,
        logOut,
        ask: server.ask,
        isPaused: () => this.#isPaused,
        seconds: randomInt(2, Math.max(3, Math.round(this.#site.longest))),
        pause: Math.min(1500, this.#site.longest * 100),
      });
      const outcome = await checkEnd(this.#site, session, wire, plan);
      this.#count(this.#ends, outcome);
      this.#count(this.#ways, `${way}/${session.isHttp2 ? 'h2' : 'h1'}`);
      this.#bytes += wire.length + (session.backendLength ?? 0);
      this.finished++;
    } catch (error) {
      const name = `${way} ${kind} of session ${id}: ${error.message}`;
      if (error instanceof Refused && this.#excuses(error.status, since))
        this.#count(this.#ends, `refused ${error.status}`);
      else {
        const open = (await server.ask('open')).filter(({ url }) => url.split('?')[0].endsWith(`/${id}`));
        const way = session.isHttp2 ? 'h2' : 'h1';
        faults.push(
          `${name} (${way}, backend ${session.backend?.readyState} ${session.backend?.writableLength}, server ${JSON.stringify(open)}, Close ${wire?.code}, ${wire?.isEnded ? 'ended' : 'open'}, ${wire?.length} bytes)`,
        );
      }
    } finally {
      sessions.delete(id);
      if (cookie) await logOut();
    }
  }

  async #open(session, way, cookie) {
    const { server, command } = this.#site;
    if (way === 'command') return openHttp1(command.port, `/${session.id}`);
    const headers = { Cookie: cookie };
    const query = await this.#queryFor(session, way);
    const room = ['file', 'jwt', 'redis'].includes(way) ? 'token/' : (KINDS[session.kind].path ?? '');
    const path = `/t/${room}${session.id}${query}`;
    // A stream of HTTP/2 has no TCP reset, and its end closes both sides.
    session.isHttp2 = randomInt(3) === 0;
    if (!session.isHttp2) return openHttp1(server.http1, path, headers);
    return openHttp2(await this.#connection(), path, headers);
  }

  async #queryFor({ user }, way) {
    const { server, redis, secret, ports } = this.#site;
    const port = ports.bytes;
    if (way === 'file') return '?token=desk';
    if (way === 'ticket') {
      const { ticket, code } = await server.ask('ticket', { user, port });
      if (code) throw new Refused(503);
      return `?ticket=${ticket}`;
    }
    if (way === 'jwt') {
      const now = Math.floor((Date.now() + this.offset) / 1000);
      const claims = { host: '127.0.0.1', port, aud: 'soak', exp: now + 300 };
      const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' });
      return `?token=${await jwt.sign(Buffer.from(secret))}`;
    }
    if (way === 'redis') {
      const token = randomBytes(16).toString('hex');
      const value = JSON.stringify({ host: `127.0.0.1:${port}` });
      await redis.ask.set(`soak:${token}`, value, 'EX', 60).catch(() => Promise.reject(new Refused(503)));
      return `?token=${token}`;
    }
    return '';
  }

  async #connection() {
    const known = this.#http2;
    if (known && !known.closed && !known.destroyed) return known;
    const session = connectHttp2(`http://127.0.0.1:${this.#site.server.http2}`);
    this.#http2 = session;
    session.on('error', () => undefined);
    await new Promise((resolve, reject) =>
      session.once('remoteSettings', resolve).once('close', () => reject(new Error('HTTP/2 ended'))),
    );
    return session;
  }

  /** Requests that must get no tunnel. */
  async #refused() {
    const { server } = this.#site;
    const since = performance.now();
    const { cookie } = await fetchPage(server.http1, '/login/nobody');
    const cases = [
      [401, '/t/0', {}],
      [404, '/t/token/0?token=unknown', { Cookie: cookie }],
      [403, '/t/0?ticket=wst_' + 'A'.repeat(43), { Cookie: cookie }],
      [403, '/t/0', { Cookie: cookie, Origin: 'https://elsewhere.example' }],
      [400, '/t/0', { Cookie: cookie, 'Sec-WebSocket-Key': 'short' }],
      [426, '/t/0', { Cookie: cookie, 'Sec-WebSocket-Version': '12' }],
      [404, '/elsewhere', { Cookie: cookie }],
    ];
    const [expected, path, headers] = cases[randomInt(cases.length)];
    const status = await openHttp1(server.http1, path, headers).then(
      (wire) => (wire.reset(), 101),
      (error) => error.status ?? error.message,
    );
    if (status !== expected && !this.#excuses(status, since))
      this.#site.faults.push(`${path} got ${status} in place of ${expected}`);
    this.#count(this.#ends, `refused ${status}`);
    await fetchPage(server.http1, '/logout', cookie);
  }

  #count(counts, name) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  summary() {
    return `${this.finished} sessions, ${(this.#bytes / 1e6).toFixed(1)} MB`;
  }

  details() {
    const list = (counts) => [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
    return `ends: ${list(this.#ends)}; ways: ${list(this.#ways)}`;
  }

  /** Whether the run has transferred any bytes. */
  isBusy() {
    return this.finished > 5 && this.#bytes > 10_000;
  }
}
