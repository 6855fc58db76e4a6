// Measures what a recording costs: rows of the relay with a recorder, compared with rows of the same build without one.
import console from 'node:console';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../report.mjs';
import { compileLoad, folder as own } from '../system.mjs';
import { compare, spread } from './apps.mjs';
import { ROWS } from './rows.mjs';

const RECORDED = {
  ...{ download: 'out', 'download-100': 'out', upload: 'both' },
  ...{ both: 'both', echo: 'both', handshakes: 'out' },
};

export async function record({ folder, dist, rows = Object.keys(RECORDED), ...options }) {
  const load = compileLoad();
  const files = mkdtempSync(join(folder ?? own, 'recordings-'));
  try {
    for (const name of rows) {
      const row = ROWS[name];
      const recorder = { folder: files, direction: RECORDED[name] };
      const stopped = [];
      const after = async (app, variant) => {
        if (variant === 'without') return;
        stopped.push(...(await app.ask('warnings')));
        await empty(files);
      };
      const { figures, ratios } = await compare(
        { without: { dist, bare: row.bare }, with: { dist, bare: row.bare, record: recorder } },
        load,
        row,
        { ...options, after },
      );
      const cpu = (variant) => (median(figures[variant].cpu) * row.scale).toFixed(row.scale === 1e9 ? 3 : 1);
      const rate = (variant) => (median(figures[variant].rate) * row.rateScale).toFixed(0);
      console.log(
        `${name}, direction ${recorder.direction}: rate ${spread(ratios.rate)}, ${rate('with')} instead of ${rate('without')} ${row.rateText}; ` +
          `CPU ${spread(ratios.cpu)}, ${cpu('with')} instead of ${cpu('without')} ${row.unitText}; ` +
          `of the JavaScript thread alone ${spread(ratios.main)}`,
      );
      for (const message of new Set(stopped)) console.log(`  NOT RECORDED TO THE END: ${message}`);
    }
  } finally {
    rmSync(files, { recursive: true, force: true });
  }
}

async function empty(files) {
  // A recording is finished after its tunnel: the disk may be slow.
  for (let tries = 0; tries < 500 && readdirSync(files).some((name) => name.endsWith('.part')); tries++)
    await sleep(20);
  for (const name of readdirSync(files)) rmSync(join(files, name), { force: true });
}
