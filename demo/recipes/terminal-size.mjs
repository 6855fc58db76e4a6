// The size of a page's terminal: the first one is in the query of the tunnel's URL, each further one is a text message.

const isSize = (number) => Number.isInteger(number) && number >= 1 && number <= 1000;

/** The size in `{"cols":120,"rows":40}`. Undefined for any other text: the page can send what it likes. */
export function sizeIn(message) {
  try {
    const { cols, rows } = JSON.parse(message);
    return isSize(cols) && isSize(rows) ? { cols, rows } : undefined;
  } catch {
    return undefined;
  }
}

/** The size in the query, or 24 rows of 80 columns. */
export function firstSize({ cols, rows }) {
  return sizeIn(`{"cols":${cols},"rows":${rows}}`) ?? { cols: 80, rows: 24 };
}
