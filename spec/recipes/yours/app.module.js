// A Nest module with one page, without decorators: it is run as it is.
import { Controller, Get, Module } from '@nestjs/common';

class Pages {
  home() {
    return 'a page of Nest';
  }
}
Get()(Pages.prototype, 'home', Object.getOwnPropertyDescriptor(Pages.prototype, 'home'));
Controller()(Pages);

export class AppModule {}
Module({ controllers: [Pages] })(AppModule);
