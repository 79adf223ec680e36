/**
 * The colours of diagrams: a hue for each owner of proposals, and a few that mean the same
 * everywhere.
 *
 * Hues must keep apart at a glance, for colour-blind eyes, too. Their distance is the Euclidean
 * one in CIELAB (ΔE*ab of 1976), the least over normal sight and the three kinds of dichromacy as
 * Machado, Oliveira and Fernandes simulate them (2009, severity 1). Among the hues it is at least
 * 40 (`quiet` and `trouble` are nearer to some of them, and differ by shape and words), and all
 * have a contrast of at least 3:1 against the background. A search found at most six that have
 * both, some of them glaring or nearly black, and none for a fifth beside a blue and an orange that
 * read well on white. So there are four. In a larger cluster the busiest four owners get them,
 * and all others the quiet colour. And a hue never stands alone: an id names its owner, and every
 * lane has its letter.
 */

/** All colours as `#rrggbb`. */
export interface Theme {
  readonly background: string;
  /** Words. */
  readonly ink: string;
  /** Words that matter less, clients, and messages that belong to no proposal. */
  readonly quiet: string;
  /** Lines that only guide the eye. */
  readonly guide: string;
  readonly trouble: string;
  /** The hatch of a server that is down, and what is below it. */
  readonly down: string;
  readonly paleDown: string;
  /** By the place of the server among those that have a hue, see `Diagram`. */
  readonly hues: readonly string[];
  /** How much of a hue is in its pale form, from 0 to 1. */
  readonly paleness: number;
}

export type ThemeName = 'light' | 'dark';

/** So many servers have a hue of their own, at most. */
export const MOST_HUES = 4;
/** The place of a server that has none. */
const NO_HUE = -1;

export const THEMES: Readonly<Record<ThemeName, Theme>> = {
  light: {
    background: '#ffffff',
    ink: '#1a1a1a',
    quiet: '#6b6b6b',
    guide: '#dcdcdc',
    trouble: '#b00020',
    down: '#b8b8b8',
    paleDown: '#f4f4f4',
    hues: ['#1f6fd6', '#d06000', '#500058', '#b48c78'],
    paleness: 0.18,
  },
  dark: {
    background: '#14181b',
    ink: '#eceff1',
    quiet: '#9aa0a4',
    guide: '#3a4146',
    trouble: '#ff5c6c',
    down: '#5c6165',
    paleDown: '#2b3034',
    hues: ['#a9dff5', '#f0782a', '#b45cf0', '#f5e1aa'],
    paleness: 0.3,
  },
};

/** What things are painted with: a literal colour each, or the name of a variable of a page. */
export interface Paints extends Omit<Theme, 'hues' | 'paleness'> {
  /** The hue at this place, its pale form, and what is readable on it; -1: the quiet colour. */
  hue(index: number): string;
  pale(index: number): string;
  onHue(index: number): string;
}

/** Literal colours: for pictures in documents. */
export function literalPaints(theme: Theme): Paints {
  const hue = (index: number) => theme.hues[index] ?? theme.quiet;
  return {
    ...theme,
    hue,
    pale: (index) => mix(hue(index), theme.background, theme.paleness),
    onHue: (index) => {
      const [bright, dark] = ['#ffffff', '#14181b'];
      return luminance(hue(index)) > 0.3 ? dark : bright;
    },
  };
}

const PLAIN_NAMES = ['background', 'ink', 'quiet', 'guide', 'trouble', 'down', 'paleDown'] as const;

/** Variables that a style sheet sets, so that a page can follow its reader from light to dark. */
export function variablePaints(): Paints {
  const plain = Object.fromEntries(PLAIN_NAMES.map((name) => [name, `var(--${name})`]));
  return {
    ...(plain as Record<(typeof PLAIN_NAMES)[number], string>),
    hue: (index) => `var(--hue${index})`,
    pale: (index) => `var(--pale${index})`,
    onHue: (index) => `var(--onHue${index})`,
  };
}

/** All variables, as declarations of a style sheet. */
export function declareVariables(theme: Theme): string {
  const paints = literalPaints(theme);
  const lines = PLAIN_NAMES.map((name) => `--${name}: ${paints[name]};`);
  for (let index = NO_HUE; index < MOST_HUES; index += 1) {
    lines.push(`--hue${index}: ${paints.hue(index)};`);
    lines.push(`--pale${index}: ${paints.pale(index)};`);
    lines.push(`--onHue${index}: ${paints.onHue(index)};`);
  }
  return lines.join(' ');
}

function channelsOf(colour: string): readonly number[] {
  return [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
}

function mix(colour: string, background: string, share: number): string {
  const below = channelsOf(background);
  const mixed = channelsOf(colour).map((channel, index) =>
    Math.round(channel * share + (below[index] ?? 0) * (1 - share)),
  );
  return `#${mixed.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

/** Relative luminance as WCAG 2 defines it, from 0 to 1. */
export function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channelsOf(colour).map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
