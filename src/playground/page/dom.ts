/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** Making elements. Whatever is shown is put in as text, never as markup. */

type Child = Node | string | null | false;
type Listener = (event: never) => void;
/** Attributes; `onclick` and the like are listeners; `false` and `null` leave an attribute out. */
export type Props = Readonly<Record<string, string | number | boolean | null | Listener>>;

/** An element of HTML. */
export function h(tag: string, props: Props = {}, ...children: readonly Child[]): HTMLElement {
  return fill(document.createElement(tag), props, children);
}

/** An element of SVG. */
export function s(tag: string, props: Props = {}, ...children: readonly Child[]): SVGElement {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children);
}

function fill<T extends Element>(element: T, props: Props, children: readonly Child[]): T {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), value as unknown as EventListener);
    } else if (value !== null && value !== false) {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(
    ...children.filter((child): child is Node | string => child !== null && child !== false),
  );
  return element;
}

/** A drawing that our own code has made: its texts are escaped there. */
export function drawing(id: string, width: number, height: number, svg: string): SVGElement {
  const element = s('svg', { id, width, height, role: 'presentation' });
  const parsed = new DOMParser().parseFromString(
    `<svg xmlns="http://www.w3.org/2000/svg">${svg}</svg>`,
    'image/svg+xml',
  );
  element.append(...parsed.documentElement.childNodes);
  return element;
}

/** Puts new content in, and leaves the focus and the scroll positions where they were. */
export function replace(parent: Element, ...children: readonly Child[]): void {
  const focused = document.activeElement?.getAttribute('data-key') ?? null;
  const isWithin = parent.contains(document.activeElement);
  const { scrollTop, scrollLeft } = parent;
  parent.replaceChildren(
    ...children.filter((child): child is Node | string => child !== null && child !== false),
  );
  parent.scrollTop = scrollTop;
  parent.scrollLeft = scrollLeft;
  if (!isWithin || focused === null) return;
  const again = parent.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`);
  again?.focus({ preventScroll: true });
}

const shownIn = new WeakMap<Element, readonly unknown[]>();

/** Puts new content in if it would differ, which these values tell; `then` follows only then. */
export function replaceIfNew(
  parent: Element,
  values: readonly unknown[],
  make: () => readonly Child[],
  then: () => void = () => {},
): void {
  const now = values.flat();
  const before = shownIn.get(parent);
  const isSame = (value: unknown, index: number) => Object.is(value, before?.[index]);
  if (before?.length === now.length && now.every(isSame)) return;
  shownIn.set(parent, now);
  replace(parent, ...make());
  then();
}
