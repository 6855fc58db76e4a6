// The last steps of `npm run build`, after the compiler.
import process from 'node:process';
import { bundle } from './bundle.mjs';
import { pruneDeclarations } from './declarations.mjs';

await bundle(process.cwd());
pruneDeclarations(process.cwd());
