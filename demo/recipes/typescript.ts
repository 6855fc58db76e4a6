// TypeScript (5.0 or newer): Express's request type in the hooks, and the type of the session.
//
//   npm install express express-session express-wstunnel
//   npm install --save-dev typescript @types/node @types/express @types/express-session
//   node typescript.ts       (Node 22.18 or newer; before that: npx tsx typescript.ts)
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// Hooks get Node's IncomingMessage, unless you give the type of the request: wstunnel<Request>. Declare the fields of
// your session in SessionData.
import { randomBytes } from 'node:crypto';
import express, { type Request, type RequestHandler } from 'express';
import session from 'express-session';
import { wstunnel } from 'express-wstunnel';

declare module 'express-session' {
  interface SessionData {
    user: string;
  }
}

const { PASSWORD = randomBytes(9).toString('base64url') } = process.env;
if (process.env.PASSWORD === undefined) console.log(`user: ann, password: ${PASSWORD}`);

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const SESSION_SECRET = process.env.SESSION_SECRET ?? randomBytes(32).toString('hex');

const tunnel = wstunnel<Request>({
  server: { port: VNC_PORT },
  user: (req) => req.session.user,
});
const requireLogin: RequestHandler = (req, res, next) => {
  if (req.session.user === undefined) res.sendStatus(401);
  else next();
};

const app = express();
app.use(session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false }));
app.use('/vnc', requireLogin, tunnel);

app.post('/login', express.urlencoded({ extended: false }), (req, res, next) => {
  const { username, password } = (req.body ?? {}) as Record<string, unknown>;
  if (username !== 'ann' || password !== PASSWORD) {
    res.sendStatus(401);
    return;
  }
  req.session.regenerate((error: unknown) => {
    if (error) {
      next(error);
      return;
    }
    req.session.user = username;
    res.redirect(303, '/');
  });
});

const server = app.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', (error) => {
  if (error) throw error;
  const address = server.address();
  if (address !== null && typeof address === 'object')
    console.log(`listening on http://127.0.0.1:${address.port}/`);
});
