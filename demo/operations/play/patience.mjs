import process from 'node:process';

/** `OPERATIONS_PATIENCE=10` multiplies the deadlines of the play, for a machine that has other work. */
export const PATIENCE = Number(process.env.OPERATIONS_PATIENCE ?? 1);
