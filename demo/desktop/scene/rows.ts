import type { Row, Span } from './shell.js';

/** Breaks a row into rows of at most `columns` characters. */
export function wrap(row: Row, columns: number): Row[] {
  const rows: Span[][] = [[]];
  let room = columns;
  for (const { text, color } of row) {
    for (let rest = text; rest !== '';) {
      if (room === 0) {
        rows.push([]);
        room = columns;
      }
      const piece = rest.slice(0, room);
      rows.at(-1)?.push({ text: piece, color });
      rest = rest.slice(piece.length);
      room -= piece.length;
    }
  }
  return rows;
}

export const plain = (row: Row): string => row.map((span) => span.text).join('');

/** Printable ASCII: accents are dropped, other characters become a box. */
export const legible = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replace(/\t/g, '  ')
    .replace(/[^\n -~]/gu, '\u25a1');
