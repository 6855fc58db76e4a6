import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { PooledReads } from '../../../src/streams/pooled-reads.js';
import { challengeResponse } from '../../../src/vnc/challenge-response.js';
import { certificate } from '../../support/certificate.js';
import { ANNA, logIn, startScripted, u32, type Script, type ScriptedPeer } from '../../support/vnc-server.js';
import { until } from '../../support/wait.js';

const CHALLENGE = Buffer.from('0123456789abcdef');
const RESPONSE = challengeResponse(ANNA.password, CHALLENGE);
const BOB = { username: 'bob', password: 'long secret of bob' };

const version = async (peer: ScriptedPeer, server: string, client = server) => {
  await peer.send(`RFB ${server}\n`);
  await peer.reads(`RFB ${client}\n`);
};
const types = async (peer: ScriptedPeer, offered: number[], chosen: number) => {
  await peer.send(offered.length, ...offered);
  await peer.reads(chosen);
};
const challenge = async (peer: ScriptedPeer) => {
  await peer.send(CHALLENGE);
  await peer.reads(RESPONSE);
};
const ok = (peer: ScriptedPeer) => peer.send(u32(0));
const plain = (peer: ScriptedPeer) =>
  peer.reads(u32(3), u32(BOB.password.length), BOB.username, BOB.password);
const veNCrypt = async (peer: ScriptedPeer, offered: number[], chosen: number) => {
  await types(peer, [2, 19], 19);
  await peer.send(0, 2);
  await peer.reads(0, 2);
  await peer.send(0, offered.length, ...offered.map(u32));
  await peer.reads(u32(chosen));
};

const strict = { ca: certificate().cert };
const anyCertificate = { rejectUnauthorized: false };

interface Way {
  name: string;
  script: Script;
  tls?: object;
  login?: typeof ANNA;
}

const ways: Way[] = [
  {
    name: '3.8 with no authentication',
    script: async (peer) => {
      await version(peer, '003.008');
      await types(peer, [1], 1);
      await ok(peer);
    },
  },
  {
    name: '3.8 with VNC authentication, preferred to none',
    script: async (peer) => {
      await version(peer, '003.008');
      await types(peer, [30, 1, 2], 2);
      await challenge(peer);
      await ok(peer);
    },
  },
  {
    name: '3.7 with no authentication and no result',
    script: async (peer) => {
      await version(peer, '003.007');
      await types(peer, [1], 1);
    },
  },
  {
    name: '3.7 with VNC authentication',
    script: async (peer) => {
      await version(peer, '003.007');
      await types(peer, [2], 2);
      await challenge(peer);
      await ok(peer);
    },
  },
  {
    name: '3.3 with no authentication',
    script: async (peer) => {
      await version(peer, '003.003');
      await peer.send(u32(1));
    },
  },
  {
    name: '3.3 with VNC authentication',
    script: async (peer) => {
      await version(peer, '003.003');
      await peer.send(u32(2));
      await challenge(peer);
      await ok(peer);
    },
  },
  {
    name: 'VeNCrypt with Plain where the host has no TLS',
    login: BOB,
    script: async (peer) => {
      await version(peer, '003.008');
      await types(peer, [19], 19);
      await peer.send(0, 2);
      await peer.reads(0, 2);
      await peer.send(0, 2, u32(262), u32(256));
      await peer.reads(u32(256));
      await plain(peer);
      await ok(peer);
    },
  },
];

const tlsWays: Way[] = [
  ...(
    [
      ['X509None', 260, 'x509', strict, ANNA],
      ['X509Vnc', 261, 'x509', strict, ANNA],
      ['X509Plain', 262, 'x509', strict, BOB],
      ['TLSNone', 257, 'anonymous', anyCertificate, ANNA],
      ['TLSVnc', 258, 'anonymous', anyCertificate, ANNA],
      ['TLSPlain', 259, 'anonymous', anyCertificate, BOB],
    ] as const
  ).map(([name, subtype, kind, tls, login]) => ({
    name: `VeNCrypt with ${name}`,
    tls,
    login,
    script: async (peer: ScriptedPeer) => {
      await version(peer, '003.008');
      await veNCrypt(peer, [256, subtype], subtype);
      await peer.send(1);
      peer.secure(kind);
      if (name.endsWith('Vnc')) await challenge(peer);
      if (name.endsWith('Plain')) await plain(peer);
      await ok(peer);
    },
  })),
  {
    name: 'TLS from the first byte',
    tls: strict,
    script: async (peer) => {
      peer.secure('x509');
      await version(peer, '003.008');
      await types(peer, [2], 2);
      await challenge(peer);
      await ok(peer);
    },
  },
];

/** What the stream carries after the login must be the same in both directions. */
async function carries(stream: Duplex): Promise<void> {
  expect(stream.isPaused()).toBe(true);
  const reads = PooledReads.of(stream);
  const chunks: Buffer[] = [];
  if (reads) reads.start((bytes) => chunks.push(Buffer.from(bytes)), 65_536);
  else stream.on('data', (bytes: Buffer) => chunks.push(bytes));
  stream.resume();
  stream.write('client init');
  await until(() => Buffer.concat(chunks).toString() === 'server init');
}

const thenInit =
  (script: Script): Script =>
  async (peer) => {
    await script(peer);
    await peer.reads('client init');
    await peer.send('server init');
  };

describe.each([...ways, ...tlsWays])('$name', ({ script, tls, login }) => {
  test.each([{ isSlow: false }, { isSlow: true }])('logs in (one byte at a time: $isSlow)', async (how) => {
    const { port, failures } = await startScripted(thenInit(script), how);
    const stream = await logIn({ host: 'localhost', port, ...(tls && { tls }) }, login);
    await carries(stream);
    expect(failures).toEqual([]);
  });

  test('a server that ends after any byte is refused, and nothing is left open', async () => {
    const whole = await startScripted(script);
    await logIn({ host: 'localhost', port: whole.port, ...(tls && { tls }) }, login);
    const total = whole.peers[0]!.sent;
    expect(total).toBeGreaterThan(0);
    // With TLS from the first byte, each attempt takes half a second.
    const isTlsFirst = script === tlsWays.at(-1)!.script;
    const cuts = isTlsFirst ? [0, 1, 20] : Array.from({ length: total }, (_, at) => at);
    for (const most of cuts) {
      const { port } = await startScripted(script, { most });
      const attempt = logIn({ host: 'localhost', port, ...(tls && { tls }) }, login);
      // Without a version of the server, the connection was lost.
      if (most < 12) await expect(attempt, `cut at ${most}`).rejects.toThrow('the connection was closed');
      else
        await expect(attempt, `cut at ${most}`).rejects.toMatchObject({
          code: 'WSTUNNEL_VNC_REFUSED',
          status: 502,
        });
    }
  });
});

async function refusalOf(script: Script, tls?: object, login = ANNA, isSlow = false) {
  const { port } = await startScripted(script, { isSlow });
  const error: unknown = await logIn({ host: 'localhost', port, ...(tls && { tls }) }, login).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const { code, message, detail, body } = error as Record<'code' | 'message' | 'detail' | 'body', string>;
  expect(code).toBe('WSTUNNEL_VNC_REFUSED');
  for (const text of [message, detail, body, (error as Error).stack]) {
    expect(text ?? '').not.toContain('sesame');
    expect(text ?? '').not.toContain('secret');
  }
  return { message, detail };
}

const after38 =
  (rest: Script): Script =>
  async (peer) => {
    await version(peer, '003.008');
    await rest(peer);
  };
const rejecting = (...result: (Buffer | string)[]) =>
  after38(async (peer) => {
    await types(peer, [2], 2);
    await challenge(peer);
    await peer.send(...result);
  });

describe('versions', () => {
  test.each(['003.889', '004.000', '004.001', '005.000', '003.014'])('%s counts as 3.8', async (server) => {
    const { port, failures } = await startScripted(async (peer) => {
      await version(peer, server, '003.008');
      await types(peer, [1], 1);
      await ok(peer);
    });
    await logIn({ host: 'localhost', port });
    expect(failures).toEqual([]);
  });

  test.each(['003.005', '003.006'])('%s counts as 3.3', async (server) => {
    const { port } = await startScripted(async (peer) => {
      await version(peer, server, '003.003');
      await peer.send(u32(1));
    });
    await logIn({ host: 'localhost', port });
  });

  test.each([
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 400 Bad Request',
    'RFB 3.8\n\n\n\n\n',
    'RFB 002.002\n',
    '\u001b[2J\n',
  ])('%j is not a VNC server', async (banner) => {
    const { message, detail } = await refusalOf((peer) => peer.send(banner));
    expect(message).toBe('the backend is not a VNC server');
    expect(detail).toMatch(/^its first bytes: "[\x20-\x7e]*"$/);
  });
});

describe('a rejected login', () => {
  test('names the password, and has the reason for the operator', async () => {
    expect(await refusalOf(rejecting(u32(1), u32(5), 'nope\n'))).toEqual({
      message: 'the VNC server rejected the password',
      detail: 'nope',
    });
  });

  test('of a 3.3 server has no reason', async () => {
    const refusal = await refusalOf(async (peer) => {
      await version(peer, '003.003');
      await peer.send(u32(2));
      await challenge(peer);
      await peer.send(u32(1));
    });
    expect(refusal).toEqual({ message: 'the VNC server rejected the password', detail: undefined });
  });

  test('of Plain names the user name as well', async () => {
    const refusal = await refusalOf(
      after38(async (peer) => {
        await veNCrypt(peer, [262], 262);
        await peer.send(1);
        peer.secure('x509');
        await plain(peer);
        await peer.send(u32(1), u32(0));
      }),
      strict,
      BOB,
    );
    expect(refusal.message).toBe('the VNC server rejected the user name or the password');
  });

  test('with a reason of 4 GiB is cut, and does not wait for the rest', async () => {
    const reason = `\u001b[31m${'x'.repeat(5000)}`;
    const { detail } = await refusalOf(rejecting(u32(1), u32(0xffffffff), reason));
    expect(detail).toHaveLength(200);
    expect(detail).toMatch(/^\\u001b\[31mxxx.*…$/);
  });

  test('without the promised reason is reported after two seconds', async () => {
    const { message } = await refusalOf(rejecting(u32(1)));
    expect(message).toBe('the VNC server rejected the password');
  });

  test('with an unknown result is refused', async () => {
    const { message, detail } = await refusalOf(rejecting(u32(7)));
    expect({ message, detail }).toEqual({
      message: 'the VNC server sent an unknown result of the login',
      detail: 'result 7',
    });
  });

  test.each([
    ['Too many security failures', 'the VNC server refuses logins after too many failures'],
    ['Too many authentication failures', 'the VNC server refuses logins after too many failures'],
    ['server is full', 'the VNC server refused the connection'],
  ])('with no type and the reason %j', async (reason, message) => {
    const refusal = await refusalOf(after38((peer) => peer.send(0, u32(reason.length), reason)));
    expect(refusal).toEqual({ message, detail: reason });
    const old = await refusalOf(async (peer) => {
      await version(peer, '003.003');
      await peer.send(u32(0), u32(reason.length), reason);
    });
    expect(old).toEqual(refusal);
  });
});

describe('a type that cannot be answered', () => {
  test('is named', async () => {
    expect(await refusalOf(after38((peer) => peer.send(3, 30, 33, 99)))).toEqual({
      message: 'the VNC server asks for Apple authentication (type 30), which "vnc" cannot answer',
      detail: 'offered: Apple authentication (type 30), Apple authentication (type 33), security type 99',
    });
  });

  test('of a 3.3 server is named, VeNCrypt too', async () => {
    const { message } = await refusalOf(async (peer) => {
      await version(peer, '003.003');
      await peer.send(u32(19));
    });
    expect(message).toBe('the VNC server asks for VeNCrypt (type 19), which "vnc" cannot answer');
  });

  test('among 255 types gives a short detail', async () => {
    const all = Array.from({ length: 255 }, () => 30);
    const { detail } = await refusalOf(after38((peer) => peer.send(255, ...all)));
    expect(detail.length).toBeLessThan(1000);
  });
});

describe('TLS', () => {
  test('is never left out where the host asks for it', async () => {
    const message = 'the VNC server offers no TLS, which the host\'s "tls" asks for';
    expect(
      (
        await refusalOf(
          after38((peer) => peer.send(2, 1, 2)),
          strict,
        )
      ).message,
    ).toBe(message);
    expect(
      (
        await refusalOf(async (peer) => {
          await version(peer, '003.003');
          await peer.send(u32(2));
        }, strict)
      ).message,
    ).toBe(message);
    const offeringPlain = after38(async (peer) => {
      await types(peer, [19], 19);
      await peer.send(0, 2);
      await peer.reads(0, 2);
      await peer.send(0, 1, u32(256));
    });
    expect((await refusalOf(offeringPlain, strict, BOB)).message).toBe(message);
  });

  const offering = (...subtypes: number[]) =>
    after38(async (peer) => {
      await types(peer, [19], 19);
      await peer.send(0, 2);
      await peer.reads(0, 2);
      await peer.send(0, subtypes.length, ...subtypes.map(u32));
      await peer.read(4);
      await peer.send(1);
      peer.secure('anonymous');
      await peer.read(1);
    });

  test('without the host option "tls" is refused with the way out', async () => {
    expect(await refusalOf(offering(258, 261))).toEqual({
      message: 'the VNC server asks for TLS, and the host has no "tls"',
      detail: 'offered: TLSVnc (type 258), X509Vnc (type 261)',
    });
  });

  test('without a certificate needs rejectUnauthorized: false', async () => {
    const { message, detail } = await refusalOf(offering(258), strict);
    expect(message).toBe('the VNC server has no certificate for TLS');
    expect(detail).toContain('rejectUnauthorized');
  });

  test('with a wrong certificate gets no secret', async () => {
    let received = 0;
    const refusal = await refusalOf(
      after38(async (peer) => {
        await veNCrypt(peer, [262], 262);
        await peer.send(1);
        peer.secure('x509');
        for (;;) received += (await peer.read(1)).length;
      }),
      { servername: 'localhost' },
      BOB,
    );
    expect(refusal.message).toBe('the TLS handshake with the VNC server failed');
    expect(refusal.detail).toMatch(/self.signed/i);
    expect(received).toBe(0);
  });

  test('with bytes sent before it is refused: anybody could have added them', async () => {
    const { message } = await refusalOf(
      after38(async (peer) => {
        await veNCrypt(peer, [260], 260);
        await peer.send(1, u32(0));
      }),
      strict,
    );
    expect(message).toBe('the VNC server sent bytes out of turn');
  });

  test('that needs a user name is refused if there is none', async () => {
    const { message } = await refusalOf(offering(262), strict);
    expect(message).toBe('the VNC server asks for a user name, and "vnc" has no "username"');
  });

  test('of a server that cannot start it is refused with the reason', async () => {
    const refusal = await refusalOf(
      after38(async (peer) => {
        await veNCrypt(peer, [260], 260);
        await peer.send(0, u32(1), u32(6), 'no key');
      }),
      strict,
    );
    expect(refusal).toEqual({ message: 'the VNC server could not start TLS', detail: 'no key' });
  });

  test('by other subtypes or versions of VeNCrypt is refused with their names', async () => {
    const { message } = await refusalOf(offering(264, 300), strict);
    expect(message).toBe(
      'the VNC server asks for VeNCrypt with X509SASL (type 264), which "vnc" cannot answer',
    );
    expect((await refusalOf(offering(), strict)).message).toContain('no subtype');
    const old = after38(async (peer) => {
      await types(peer, [19], 19);
      await peer.send(0, 1);
    });
    expect((await refusalOf(old, strict)).message).toBe('the VNC server has an old version of VeNCrypt');
    const refusing = after38(async (peer) => {
      await types(peer, [19], 19);
      await peer.send(0, 2);
      await peer.reads(0, 2);
      await peer.send(1);
    });
    expect((await refusalOf(refusing, strict)).message).toContain('does not accept version 0.2');
  });
});

test('bytes after the result are refused: the server speaks after ClientInit only', async () => {
  const { message } = await refusalOf(rejecting(u32(0), 'server init'));
  expect(message).toBe('the VNC server sent bytes out of turn');
});

test('an abort ends the login with its reason and closes the connection', async () => {
  const controller = new AbortController();
  let socket: Promise<unknown> | undefined;
  const { port, failures } = await startScripted(async (peer) => {
    await version(peer, '003.008');
    socket = peer.read(1);
    controller.abort(new Error('enough'));
    await socket;
  });
  await expect(logIn({ host: 'localhost', port }, ANNA, controller.signal)).rejects.toThrow('enough');
  await until(() => failures.length === 1);
  expect(String(failures[0])).toMatch(/left|ECONNRESET/);
});

test('the stream of a login has no listener of the login', async () => {
  const { port } = await startScripted(ways[1]!.script);
  const stream = await logIn({ host: 'localhost', port });
  expect(stream.listenerCount('data')).toBe(0);
  expect(stream.listenerCount('close')).toBe(0);
  const closed = once(stream, 'close');
  stream.destroy();
  await closed;
});
