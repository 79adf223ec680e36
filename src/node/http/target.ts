/**
 * What a request is about, out of its first line and headers. All of it is somebody else's text:
 * whatever is not exactly as it should be is a `Problem`, and nothing is guessed.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isVersion } from '../../log/key-value.ts';
import { isCount } from '../../messages.ts';
import { Problem } from './problem.ts';

export interface Target {
  /** The parts between the slashes. */
  readonly path: readonly string[];
  readonly query: ReadonlyMap<string, string>;
  /** The host that it names beside the header `Host`, in the form that proxies use; or null. */
  readonly authority: string | null;
}

/** Reads the target of a request line: `/kv/a%20b?local`. */
export function parseTarget(text: string): Target {
  const [, authority = null, path = '', query = ''] =
    /^(?:http:\/\/([^/?#]*))?(\/[^?#]*)(?:\?([^#]*))?$/i.exec(text) ?? [];
  if (path === '' || !/^[!-~]+$/.test(text)) {
    throw new Problem(400, 'the target of a request is a path of printable ASCII, like /kv/color');
  }
  const parts = path.slice(1).split('/').map(decoded);
  return { path: parts, query: queryIn(query), authority };
}

function queryIn(text: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const pair of text.split('&').filter((part) => part !== '')) {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/.exec(pair.replaceAll('+', ' ')) ?? [];
    const known = decoded(name);
    if (query.has(known)) throw new Problem(400, `it says ${JSON.stringify(known)} twice`);
    query.set(known, decoded(value));
  }
  return query;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Problem(400, 'in its target a % is not followed by the digits of UTF-8');
  }
}

/** The whole number that `text` spells, `least` or more; null if it spells none. */
export function numberIn(text: string, least: number): number | null {
  const number = Number(text);
  return /^[0-9]{1,15}$/.test(text) && isCount(number) && number >= least ? number : null;
}

/** What a change is to find, in the words of the store: `17`, `17,18.2`, `any`, `none`; or null. */
export function conditionIn(headers: IncomingHttpHeaders): string | null {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && noneMatch !== undefined) {
    throw new Problem(400, 'it has both If-Match and If-None-Match');
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*') return 'none';
    throw new Problem(400, 'for a change If-None-Match is *, if the key must not be there');
  }
  if (match === undefined) return null;
  if (match.trim() === '*') return 'any';
  const versions = tagsIn('If-Match', match).flatMap(({ tag, isWeak }) => (isWeak ? [] : [tag]));
  const possible = versions.filter(isVersion);
  if (possible.length === 0) throw new Problem(412, 'no key ever had the version of If-Match');
  return possible.join(',');
}

/** Whether whoever asks has this version already. */
export function hasIt({ 'if-none-match': tags }: IncomingHttpHeaders, version: string): boolean {
  if (tags === undefined) return false;
  if (tags.trim() === '*') return true;
  return tagsIn('If-None-Match', tags).some(({ tag }) => tag === version);
}

/** Throws if whoever asks wants another version than this one; null: there is none. */
export function checkMatch({ 'if-match': tags }: IncomingHttpHeaders, version: string | null) {
  if (tags === undefined) return;
  const isAny = tags.trim() === '*';
  const isOne =
    !isAny &&
    tagsIn('If-Match', tags).some(({ tag, isWeak }) => {
      return !isWeak && tag === version;
    });
  if (version !== null && (isAny || isOne)) return;
  const is = version === null ? 'there is no such key' : `it was changed in ${version}`;
  throw new Problem(412, is);
}

/** A comma may stand in a tag, and between two commas nothing. */
function tagsIn(header: string, text: string) {
  const parts = text.match(/(?:[^",]|"[^"]*"?)+/g) ?? [];
  const tags = parts
    .filter((part) => part.trim() !== '')
    .map((part) => /^\s*(W\/)?"([!#-~\u0080-\u00ff]*)"\s*$/.exec(part));
  if (tags.length === 0 || tags.includes(null)) {
    throw new Problem(400, `${header} is * or tags in quotes, like "17"`);
  }
  return tags.map((match) => ({ tag: match?.[2] ?? '', isWeak: match?.[1] !== undefined }));
}
