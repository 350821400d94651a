/** Files from the server, with their size as they come; a refusal is told in the server's words instead of being saved as a file. */

import { signal } from '@preact/signals';
import { oneLine } from '../core/text';
import { isRecord } from '../core/wire';

export interface Download {
  readonly name: string;
  readonly bytes: number;
  readonly state: 'running' | 'done' | 'failed';
  readonly fault: string;
}

export const download = signal<Download | null>(null);

/** Fetch `path` and hand it to the browser as `name`. One at a time. */
export async function save(path: string, name: string): Promise<void> {
  if (download.peek()?.state === 'running') return;
  download.value = { name, bytes: 0, state: 'running', fault: '' };
  try {
    const response = await fetch(path, { cache: 'no-store' });
    if (!response.ok || !response.body) {
      fail(await refusalOf(response));
      return;
    }
    const parts: BlobPart[] = [];
    let bytes = 0;
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      bytes += value.byteLength;
      download.value = { name, bytes, state: 'running', fault: '' };
    }
    hand(new Blob(parts, { type: response.headers.get('Content-Type') ?? 'application/octet-stream' }), name);
    download.value = { name, bytes, state: 'done', fault: '' };
  } catch {
    fail('The connection broke before the file was whole; nothing was saved.');
  }
}

/** Give text made on this page to the browser as a file. */
export function saveText(text: string, name: string): void {
  hand(new Blob([text], { type: 'text/csv;charset=utf-8' }), name);
}

async function refusalOf(response: Response): Promise<string> {
  try {
    const body: unknown = await response.json();
    return (isRecord(body) && oneLine(body['message'], 300)) || `The server answered ${response.status}.`;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

function fail(fault: string): void {
  const now = download.peek();
  if (now) download.value = { ...now, state: 'failed', fault };
}

function hand(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has taken its copy by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
