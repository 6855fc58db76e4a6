// Fastify: the tunnel as a middleware of @fastify/middie, behind express-session.
//
//   npm install fastify @fastify/middie express express-session express-wstunnel
//   node fastify.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// middie runs its middleware in one `onRequest` hook. An upgrade therefore meets the `onRequest` hooks that were added
// before middie, then the middleware in the order of `use`, and nothing after the tunnel: no later `onRequest` hook, no
// `preHandler`, no route, no `onSend`. Hooks of an encapsulated plugin do not run for `/vnc` either, because the path has
// no route. Therefore the guard is a middleware in front of the tunnel. If your login is a Fastify hook or plugin, see
// fastify-route.mjs.
import { randomBytes } from 'node:crypto';
import { URLSearchParams } from 'node:url';
import middie from '@fastify/middie';
import session from 'express-session';
import { wstunnel } from 'express-wstunnel';
import fastify from 'fastify';
import { nameOf } from './accounts.mjs'; // ({ username, password }) => the user's name, or undefined
import { form } from './login-form.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const SESSION_SECRET = process.env.SESSION_SECRET ?? randomBytes(32).toString('hex');

const app = fastify();
await app.register(middie);

app.use(
  session({
    secret: SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { sameSite: 'lax', secure: 'auto' },
  }),
);

const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.session.user, revalidate: 60 });

app.use('/vnc', (req, res, next) => {
  if (req.session.user) return next();
  res.statusCode = 401;
  res.end('log in first\n');
});
app.use('/vnc', tunnel);
// middie hides the tunnel from the package: this line keeps the path for the tunnel, also beside @fastify/websocket.
tunnel.attach(app.server, { path: '/vnc', exclusive: true });

// The session is a property of Node's request.
app.get('/', (request, reply) => {
  const { user } = request.raw.session;
  return reply.type('text/html').send(user ? `you are ${user}` : form);
});

app.addContentTypeParser(
  'application/x-www-form-urlencoded',
  { parseAs: 'string' },
  (request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body)));
  },
);

app.post('/login', async (request, reply) => {
  const { session } = request.raw;
  const name = await nameOf(request.body ?? {});
  if (!name) return reply.code(401).send('unknown user, or wrong password\n');
  await new Promise((resolve, reject) => session.regenerate((error) => (error ? reject(error) : resolve())));
  request.raw.session.user = name;
  return reply.redirect('/', 303);
});

app.post('/logout', async (request, reply) => {
  const { session } = request.raw;
  const { user } = session;
  if (!user) return reply.code(401).send('log in first\n');
  await new Promise((resolve, reject) => session.destroy((error) => (error ? reject(error) : resolve())));
  tunnel.end((open) => open.user === user, 1008, 'logged out');
  return reply.redirect('/', 303);
});

// Fastify's close() waits for all connections: the tunnels end first.
app.addHook('preClose', () => tunnel.close());

console.log(
  `listening on ${await app.listen({ port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' })}/`,
);

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => app.close());
