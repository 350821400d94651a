/** Which dialog is open; one at a time. */

import { signal } from '@preact/signals';

export type DialogName = 'programs' | 'settings' | 'help' | 'login' | 'halt' | 'export' | 'performance';

export const dialog = signal<DialogName | null>(null);

export function openDialog(name: DialogName): void {
  dialog.value = name;
}

export function closeDialog(): void {
  dialog.value = null;
}
