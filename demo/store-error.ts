import type { ErrorRequestHandler } from 'express';

/** A failure of the store with the sessions. The message is for the page. */
export class StoreError extends Error {}

/** A short page. The process reports the outage once by itself, so that no page is a line in the terminal. */
export const showStoreError: ErrorRequestHandler = (error, _req, res, next) => {
  if (!(error instanceof StoreError)) next(error);
  // A session that could not be saved after the page.
  else if (!res.headersSent) res.status(500).type('text').send(`${error.message}\n`);
};
