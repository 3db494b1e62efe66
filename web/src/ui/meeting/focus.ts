/** Where the keyboard's focus goes when something opens, and that it comes back. */
import type { Attachment } from 'svelte/attachments';

/** What can be focused and is meant to be. */
const FOCUSABLE =
  'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), [tabindex="0"]';

/**
 * Moves the focus into the element: to what is marked `data-autofocus`, else to the element itself if
 * it takes the focus (it then reads out its name), else to the first control.
 * When the element goes, the focus returns to where it was, unless the person has moved it elsewhere.
 */
export function holdsFocus(): Attachment<HTMLElement> {
  return (element) => {
    const before = element.ownerDocument.activeElement;
    const marked = element.querySelector<HTMLElement>('[data-autofocus]');
    const own = element.hasAttribute('tabindex') ? element : element.querySelector<HTMLElement>(FOCUSABLE);
    (marked ?? own)?.focus({ preventScroll: true });
    return () => {
      const { activeElement, body } = element.ownerDocument;
      const here = activeElement === null || activeElement === body || element.contains(activeElement);
      if (here && before instanceof HTMLElement && before !== body && before.isConnected) {
        before.focus({ preventScroll: true });
      }
    };
  };
}

/** Calls `close` when a pointer goes down anywhere else, except on the button of `action`, which opened it. */
export function closesOutside(close: () => void, action: string): Attachment<HTMLElement> {
  return (element) => {
    const onPointer = ({ target }: PointerEvent): void => {
      if (!(target instanceof Element)) return;
      if (!element.contains(target) && !target.closest(`[data-action="${action}"]`)) close();
    };
    document.addEventListener('pointerdown', onPointer, true);
    return () => document.removeEventListener('pointerdown', onPointer, true);
  };
}

/** Arrow keys move the focus among the controls inside, round and round; Home and End to the ends. */
export function arrowKeys(): Attachment<HTMLElement> {
  return (element) => {
    const onKey = (event: KeyboardEvent): void => {
      const controls = [...element.querySelectorAll<HTMLElement>(FOCUSABLE)];
      const at = controls.indexOf(element.ownerDocument.activeElement as HTMLElement);
      const next = nextIndex(event.key, at, controls.length);
      if (next === null) return;
      event.preventDefault();
      controls[next]?.focus();
    };
    element.addEventListener('keydown', onKey);
    return () => element.removeEventListener('keydown', onKey);
  };
}

function nextIndex(key: string, at: number, count: number): number | null {
  if (count === 0) return null;
  switch (key) {
    case 'ArrowDown':
    case 'ArrowRight':
      return (at + 1) % count;
    case 'ArrowUp':
    case 'ArrowLeft':
      return (at - 1 + count) % count;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}
