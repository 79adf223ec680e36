/**
 * A story in an address: `#story=…`, compressed, so that two hundred commands fit into what every
 * browser, and every program that passes addresses on, takes without a word. `#break=…` and
 * `#goal=…` begin an exercise, `#at=02-duel` a story of the project, and `#at=02-duel:12` after
 * 12 of its items.
 */
import { MOST_COMMANDS } from './script.ts';

/** What an address asks for. */
export type Wanted =
  | { readonly kind: 'story'; readonly text: string }
  | { readonly kind: 'break' | 'goal'; readonly name: string }
  /** `item`: so many paragraphs and commands are done; null: it begins. */
  | { readonly kind: 'at'; readonly name: string; readonly item: number | null };

/** What a story may have at most, in characters; no address blows up to more than that. */
const MOST_CHARACTERS = 100 * MOST_COMMANDS;

/** The part of an address behind its `#` for a story (without what it prints). */
export async function fragmentOf(text: string): Promise<string> {
  return `story=${await packed(text)}`;
}

/** The text, compressed, in letters that may stand in an address, and in a page. */
export async function packed(text: string): Promise<string> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/**
 * What the part of an address behind its `#` asks for; null: nothing. Throws an `Error` with one
 * sentence if it is cut, or nothing that this page has ever made.
 */
export async function wantedIn(fragment: string): Promise<Wanted | null> {
  if (fragment === '') return null;
  const [, kind, value = ''] = /^(story|break|goal|at)=(.*)$/s.exec(fragment) ?? [];
  if (kind === 'story') return { kind, text: await unpacked(value) };
  if (kind === 'at') {
    const [, name, item] = /^([\w-]{1,80})(?::([0-9]{1,5}))?$/.exec(value) ?? [];
    if (name !== undefined) return { kind, name, item: item === undefined ? null : Number(item) };
  } else if (kind !== undefined && /^[\w-]{1,80}$/.test(value)) {
    return { kind: kind as 'break' | 'goal', name: value };
  }
  throw new Error('this address does not say what to play');
}

/** What was packed. Throws an `Error` with one sentence, which is about an address. */
export async function unpacked(base64: string): Promise<string> {
  const broken = new Error('the story in this address is cut off or damaged');
  if (!/^[\w-]+$/.test(base64)) throw broken;
  try {
    const binary = atob(base64.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return await textOf(stream);
  } catch (error) {
    throw error instanceof RangeError ? new Error(error.message) : broken;
  }
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length <= MOST_CHARACTERS) continue;
    await reader.cancel();
    throw new RangeError('the story in this address is longer than anybody plays');
  }
}
