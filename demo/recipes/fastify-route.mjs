// Fastify without middie: the tunnel as a route, behind Fastify's own hooks.
//
//   npm install fastify express express-wstunnel
//   node fastify-route.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD (see README.md).
//
// The upgrade is an ordinary GET of the route: `onRequest`, `preParsing`, `preValidation` and `preHandler` hooks run,
// including those of the route's plugin, and a hook that replies refuses the tunnel. After hijack() the response belongs
// to the tunnel: `onSend` does not run, and headers of reply.header() are not in the answer. Set headers on `reply.raw`.
import { URLSearchParams } from 'node:url';
import { wstunnel } from 'express-wstunnel';
import fastify from 'fastify';
import { nameOf } from './accounts.mjs'; // ({ username, password }) => the user's name, or undefined
import { form } from './login-form.mjs';
import { closeSession, openSession, userOfSession } from './session-ids.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const COOKIE = 'Path=/; HttpOnly; SameSite=Lax'; // and Secure, with https

const app = fastify();

// In place of @fastify/session or another login plugin: their hooks run on upgrades as well.
app.decorateRequest('sessionId', '');
app.decorateRequest('user', '');
app.addHook('onRequest', async (request) => {
  request.sessionId = /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
  request.user = userOfSession(request.sessionId) ?? '';
});
const requireLogin = async (request, reply) => {
  if (!request.user) return reply.code(401).send('log in first\n');
};

// `user` gets Node's request, which has none of the properties of Fastify's request.
const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.user, revalidate: 60 });

app.register(async (desk) => {
  desk.addHook('onRequest', requireLogin);
  const open = (request, reply) => {
    request.raw.user = request.user;
    reply.hijack();
    // Called for a GET without an upgrade, and with an error if a hook of the tunnel's options throws.
    tunnel(request.raw, reply.raw, (error) => reply.raw.writeHead(error ? 500 : 404).end());
  };
  desk.get('/vnc', open);
  desk.get('/vnc/*', open);
});
// The route hides the tunnel from the package: this line keeps the path for the tunnel, also beside @fastify/websocket.
tunnel.attach(app.server, { path: '/vnc', exclusive: true });

app.get('/', (request, reply) =>
  reply.type('text/html').send(request.user ? `you are ${request.user}` : form),
);

app.addContentTypeParser(
  'application/x-www-form-urlencoded',
  { parseAs: 'string' },
  (request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body)));
  },
);

app.post('/login', async (request, reply) => {
  const name = await nameOf(request.body ?? {});
  if (!name) return reply.code(401).send('unknown user, or wrong password\n');
  closeSession(request.sessionId);
  return reply.header('Set-Cookie', `session=${openSession(name)}; ${COOKIE}`).redirect('/', 303);
});

app.post('/logout', { onRequest: requireLogin }, async (request, reply) => {
  closeSession(request.sessionId);
  tunnel.end(({ user }) => user === request.user, 1008, 'logged out');
  return reply.redirect('/', 303);
});

// Fastify's close() waits for open connections: the tunnels end first.
app.addHook('preClose', () => tunnel.close());
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => app.close());

console.log(
  `listening on ${await app.listen({ port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' })}/`,
);
