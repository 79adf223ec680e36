/** Builds the playground: one page that needs nothing else. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { playgroundPage } from '../../playground/page-html.ts';
import { readScript, writeScript } from '../../playground/script.ts';
import { packed } from '../../playground/share.ts';

const PROJECT = join(import.meta.dirname, '..', '..', '..');
const STORIES = join(PROJECT, 'test', 'stories');

/** What browsers of the last two years understand. */
const TARGETS = ['chrome120', 'firefox121', 'safari17'];

/** The whole page as text. */
export async function buildPlayground(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(PROJECT, 'src/playground/page/main.ts')],
    bundle: true,
    write: false,
    minify: true,
    charset: 'utf8',
    keepNames: true, // the layers of a replica tell their names
    format: 'iife',
    target: TARGETS,
    legalComments: 'none',
  });
  return playgroundPage(outputFiles[0]?.text ?? '', await packed(JSON.stringify(readStories())));
}

/** The stories by name, without what they print: the page makes that itself. */
function readStories() {
  const files = readdirSync(STORIES).filter((name) => name.endsWith('.txt'));
  return files.map((file) => {
    const text = readFileSync(join(STORIES, file), 'utf8');
    return { name: file.replace(/\.txt$/, ''), text: writeScript(readScript(text)) };
  });
}
