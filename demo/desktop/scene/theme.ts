import { Font } from '../draw/font.js';

export const fonts = {
  caption: new Font({ cap: 8, stroke: 0.56 }),
  text: new Font({ cap: 9, stroke: 0.6 }),
  strong: new Font({ cap: 9, stroke: 0.82 }),
  figures: new Font({ cap: 13, stroke: 0.9 }),
  terminal: new Font({ cap: 10, stroke: 0.6, cell: 8 }),
  mono: new Font({ cap: 9, stroke: 0.58, cell: 7 }),
} as const;

export const palette = {
  ink: 0x252d3d,
  slate: 0x5c677a,
  faint: 0x98a2b3,
  hairline: 0xe4e8ef,
  grid: 0xeef1f5,
  paper: 0xfdfcf9,
  white: 0xffffff,
  blue: 0x4c6ef5,
  coral: 0xf4705e,
  mint: 0x1fb88f,
  amber: 0xf2a93b,
  violet: 0x8e5bd6,
} as const;

export interface Look {
  readonly title: number;
  readonly rule: number;
  readonly body: number;
  readonly caption: number;
  readonly captionIdle: number;
}

export const light: Look = {
  title: 0xf6f7fa,
  rule: palette.hairline,
  body: palette.white,
  caption: palette.ink,
  captionIdle: 0x8a94a6,
};

export const dark: Look = {
  title: 0x262c3b,
  rule: 0x10141d,
  body: 0x1a1f2b,
  caption: 0xe6ebf4,
  captionIdle: 0x8892a6,
};

export const terminalColors = {
  text: 0xd5dce9,
  dim: 0x7f8aa0,
  prompt: 0x6fd3b0,
  accent: 0x8fb0ff,
  warning: 0xff9a86,
  cursor: 0x8fb0ff,
} as const;
