// NestJS, on the Express platform: the tunnel beside the controllers.
//
//   npm install @nestjs/common @nestjs/core @nestjs/platform-express reflect-metadata rxjs
//   npm install express express-session express-wstunnel
//   node nestjs.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// Nest's guards are for controllers: the middleware before the tunnel guards the tunnel.
// `consumer.apply(requireLogin, tunnel)` hides the tunnel in a function: call tunnel.attach(app.getHttpServer()) before
// listen().
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { wstunnel } from 'express-wstunnel';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

// A module with one page. Without a compiler, decorators are functions that are called.
class Pages {
  home() {
    return 'a page of Nest';
  }
}
Get()(Pages.prototype, 'home', Object.getOwnPropertyDescriptor(Pages.prototype, 'home'));
Controller()(Pages);

class AppModule {}
Module({ controllers: [Pages] })(AppModule);

const tunnel = wstunnel({ server: { port: VNC_PORT } });

const app = await NestFactory.create(AppModule);
app.use(login);
app.use('/vnc', requireLogin, tunnel);
await app.listen(process.env.PORT ?? 8080, '127.0.0.1');
console.log(`listening on ${await app.getUrl()}/`);

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    await tunnel.close();
    await app.close();
  });
}
