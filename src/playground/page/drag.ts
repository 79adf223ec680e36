/// <reference lib="dom" />
/** A message that is dragged onto its server, with a mouse or a finger, is delivered. */

/** A pointer that moves less than this has clicked. */
const STILL_PX = 6;

interface Drag {
  readonly chip: HTMLElement;
  readonly x: number;
  readonly y: number;
  isMoving: boolean;
}

/** `deliver` hears what was dropped where it belongs; `dropped`: it was dropped elsewhere. */
export function makeDraggable(
  stage: HTMLElement,
  deliver: (flight: string) => void,
  dropped: () => void,
): void {
  let drag: Drag | null = null;
  stage.addEventListener('pointerdown', ({ target, button, clientX: x, clientY: y }) => {
    const chip = target instanceof Element ? target.closest<HTMLElement>('.chip') : null;
    drag = chip === null || button !== 0 ? null : { chip, x, y, isMoving: false };
  });
  stage.addEventListener('pointermove', ({ clientX, clientY, pointerId }) => {
    if (drag === null) return;
    const [dx, dy] = [clientX - drag.x, clientY - drag.y];
    if (!drag.isMoving && Math.hypot(dx, dy) < STILL_PX) return;
    if (!drag.isMoving) drag.chip.setPointerCapture(pointerId);
    drag.isMoving = true;
    drag.chip.classList.add('dragged');
    drag.chip.style.transform = `translate(${dx}px, ${dy}px)`;
  });
  const end = (event: PointerEvent) => {
    const ended = drag;
    drag = null;
    if (ended === null || !ended.isMoving) return;
    // What follows is a click on the message, which would open its menu.
    const swallow = (click: Event) => click.stopPropagation();
    stage.addEventListener('click', swallow, { capture: true, once: true });
    setTimeout(() => stage.removeEventListener('click', swallow, { capture: true }));
    const below = document.elementsFromPoint(event.clientX, event.clientY);
    const server = below.find((element) => element.matches('.server'))?.getAttribute('data-server');
    const { flight = '', to } = ended.chip.dataset;
    if (event.type === 'pointerup' && server === to) deliver(flight);
    else dropped();
  };
  stage.addEventListener('pointerup', end);
  stage.addEventListener('pointercancel', end);
}
