// Bundles `main.mjs` and `main.cjs` into `out/`, with one bundler to one format: node bundle.mjs TOOLS BUNDLER FORMAT
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';

const [tools, bundler, format] = process.argv.slice(2);
const require = createRequire(join(tools, 'package.json'));
const isModule = format === 'esm';
const folder = join(process.cwd(), 'out');
const out = (entry) => `${bundler}-of-${entry.slice(5)}${isModule ? '.mjs' : '.cjs'}`;

/** The banner from esbuild's documentation: Express is CommonJS and loads Node's modules by `require`. */
const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;

const bundlers = {
  esbuild: (entry) => esbuild(entry, false),
  'esbuild-minified': (entry) => esbuild(entry, true),
  webpack,
  rollup,
};

for (const entry of ['main.mjs', 'main.cjs']) await bundlers[bundler](entry);

async function esbuild(entry, minify) {
  await require('esbuild').build({
    ...{
      entryPoints: [entry],
      outfile: join(folder, out(entry)),
      bundle: true,
      minify,
      format,
      platform: 'node',
    },
    ...(isModule && { banner: { js: banner } }),
    logLevel: 'error',
  });
}

async function webpack(entry) {
  const compiler = require('webpack')({
    ...{ mode: 'production', target: 'node20', context: process.cwd(), entry: `./${entry}` },
    // Short names are tested with esbuild only.
    optimization: { minimize: false },
    experiments: { outputModule: isModule },
    output: {
      ...{ path: folder, filename: out(entry), chunkFormat: isModule ? 'module' : 'commonjs' },
      library: { type: isModule ? 'module' : 'commonjs2' },
    },
  });
  const stats = await new Promise((resolve, reject) =>
    compiler.run((error, result) => (error ? reject(error) : resolve(result))),
  );
  if (stats.hasErrors()) throw new Error(stats.toString('errors-only'));
  // Warnings about Express and ws are ignored.
  const ours = stats
    .toJson()
    .warnings.filter(({ moduleName = '' }) => moduleName.includes('express-wstunnel'));
  if (ours.length > 0) throw new Error(JSON.stringify(ours));
}

async function rollup(entry) {
  const plugin = (name) => {
    const loaded = require(`@rollup/plugin-${name}`);
    return loaded.default ?? loaded;
  };
  const bundle = await require('rollup').rollup({
    input: entry,
    plugins: [
      plugin('node-resolve')({ preferBuiltins: true, exportConditions: ['node'] }),
      ...[plugin('commonjs')(), plugin('json')()],
    ],
    onwarn: ({ code, message, ids = [] }) => {
      // proxy-agent-negotiate (of http-proxy-agent) loads the optional package kerberos.
      if (code === 'UNRESOLVED_IMPORT' && message.startsWith('"kerberos"')) return;
      const isExpress = code === 'CIRCULAR_DEPENDENCY' && !ids.some((id) => id.includes('express-wstunnel'));
      if (!isExpress) throw new Error(`${code}: ${message}`);
    },
  });
  await bundle.write({ file: join(folder, out(entry)), format: isModule ? 'es' : 'cjs' });
}
