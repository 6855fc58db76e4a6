import { rect, type Rect } from '../draw/rect.js';
import { disc, roundBox } from '../draw/shapes.js';
import { Surface } from '../draw/surface.js';
import { BAR_HEIGHT } from '../layout.js';
import { fonts } from './theme.js';

const TINT = 0x0e1530;
const OPACITY = 150;
const TEXT = 0xf3f5fb;
const QUIET = 0xc3cadd;
const ONLINE = 0x5fe0b0;
const BASELINE = 19;
const RIGHT_PART = 340;

const two = (value: number): string => String(value).padStart(2, '0');
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export class TopBar {
  readonly surface: Surface;
  readonly #ground: Surface;
  #shown = '';
  #damage: Rect[] = [];

  constructor(wallpaper: Surface, name: string) {
    this.#ground = new Surface(wallpaper.width, BAR_HEIGHT);
    this.#ground.copy(wallpaper, 0, 0, this.#ground.bounds);
    for (let y = 0; y < BAR_HEIGHT; y++) {
      for (let x = 0; x < wallpaper.width; x++) this.#ground.mix(x, y, TINT, OPACITY);
    }
    this.surface = new Surface(wallpaper.width, BAR_HEIGHT);
    this.surface.copy(this.#ground, 0, 0, this.surface.bounds);
    this.surface.shape(roundBox(rect(16, 8, 14, 14), 4.5), 0xffb38a);
    this.surface.shape(disc(23, 15, 3.2), 0xfff3df);
    fonts.strong.draw(this.surface, 40, BASELINE, name, TEXT);
  }

  tick(now: number, viewers: number): void {
    const date = new Date(now);
    const day = `${DAYS[date.getDay()] ?? ''} ${date.getDate()} ${MONTHS[date.getMonth()] ?? ''}`;
    const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
    const people = viewers === 1 ? '1 viewer' : `${viewers} viewers`;
    if (`${day}${time}${people}` === this.#shown) return;
    this.#shown = `${day}${time}${people}`;
    const where = rect(this.surface.width - RIGHT_PART, 0, RIGHT_PART, BAR_HEIGHT);
    this.surface.copy(this.#ground, 0, 0, where);
    let x = this.surface.width - 16 - fonts.strong.width(time);
    fonts.strong.draw(this.surface, x, BASELINE, time, TEXT);
    x -= 12 + fonts.text.width(day);
    fonts.text.draw(this.surface, x, BASELINE, day, QUIET);
    x -= 24 + fonts.text.width(people);
    fonts.text.draw(this.surface, x, BASELINE, people, QUIET);
    this.surface.shape(disc(x - 9, 15, 3.3), viewers > 0 ? ONLINE : QUIET);
    this.#damage.push(where);
  }

  takeDamage(): Rect[] {
    const damage = this.#damage;
    this.#damage = [];
    return damage;
  }
}
