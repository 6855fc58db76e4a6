// Typical code of Express users, compiled with the types of Express 4 and of Express 5.
import express, {
  Router,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import session from 'express-session';
import { wstunnel, type Tunnel, type TunnelOptions } from 'express-wstunnel';

declare module 'express-session' {
  interface SessionData {
    user: string;
  }
}

const server = { port: 1 };
const app = express();
app.use(session({ secret: 'for types only', resave: false, saveUninitialized: false }));

// Without a path, or after another handler, TypeScript infers the request type from app.use.
app.use(wstunnel({ server, authenticate: (req) => req.session.user !== undefined && req.ip !== '' }));
app.use(
  '/vnc',
  (req, res, next) => (req.session.user === undefined ? res.sendStatus(401) : next()),
  wstunnel({
    server: (req) => (req.session.user === 'me' ? server : undefined),
    user: (req) => req.session.user,
  }),
);

// With a path, the request type is named once: as the type argument or at a parameter.
app.use('/vnc', wstunnel<Request>({ server, authenticate: (req) => req.session.user !== undefined }));
app.use('/vnc', wstunnel({ server, authenticate: (req: Request) => req.session.user !== undefined }));
const named = wstunnel<Request>({ server, user: (req) => req.session.user });
const annotated = wstunnel({ server, user: (req) => req.url, authenticate: (req: Request) => req.secure });
const options: TunnelOptions<Request> = {
  server,
  onRefuse: (refusal, req, res: Response) => res.status(refusal.status).render('refused', { from: req.ip }),
};
const kept: Tunnel<Request> = wstunnel(options);
app.use(
  wstunnel<Request>({
    server,
    onRefuse: async (refusal, req, res, next) => {
      await Promise.resolve(req.ip);
      if (!res.headersSent) next(refusal);
    },
  }),
);
app.use(named, annotated);
app.use('/kept', kept);

// A tunnel can be used wherever Express accepts a handler.
const bare = wstunnel({ server });
const handlers: RequestHandler[] = [bare, named, annotated];
app.use(bare);
app.use('/list', handlers);
app.get('/get', named);
app.all('/all', bare);
app.use('/router', Router().use(named).use('/bare', bare).get('/get', bare));
app.use('/by-hand', (req: Request, res: Response, next: NextFunction) => {
  bare(req, res, next);
  named(req, res, next);
});

// A tunnel keeps the methods and events of the emitter.
bare.attach(app.listen(0, '127.0.0.1').close());
bare.on('refuse', ({ status }) => void named.close({ timeout: status }));
