// Connect: the tunnel in an app of Connect, with express-session.
//
//   npm install connect express express-session express-wstunnel
//   node connect.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md). Express is used only to parse forms.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import connect from 'connect';
import { urlencoded } from 'express';
import session from 'express-session';
import { wstunnel } from 'express-wstunnel';
import { nameOf } from './accounts.mjs'; // ({ username, password }) => the user's name, or undefined
import { form } from './login-form.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const SESSION_SECRET = process.env.SESSION_SECRET ?? randomBytes(32).toString('hex');

const app = connect();
app.use(
  session({
    secret: SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { sameSite: 'lax', secure: 'auto' },
  }),
);

app.use('/vnc', (req, res, next) => {
  if (req.session.user) return next();
  res.statusCode = 401;
  res.end('log in first\n');
});
app.use('/vnc', wstunnel({ server: { port: VNC_PORT }, user: (req) => req.session.user }));

app.use('/login', urlencoded({ extended: false }));
app.use('/login', (req, res, next) => {
  if (req.method !== 'POST') return res.end(form);
  nameOf(req.body ?? {})
    .then((name) => {
      res.statusCode = name ? 303 : 401;
      if (!name) return res.end('unknown user, or wrong password\n');
      req.session.regenerate((error) => {
        if (error) return next(error);
        req.session.user = name;
        res.setHeader('Location', '/');
        res.end();
      });
    })
    .catch(next);
});

const server = createServer(app).listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
