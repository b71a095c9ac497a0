/** Files out of the page. */

export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken hold of it once the click is handled.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param ground what the chart stands on; a canvas alone is transparent */
export function savePng(name: string, canvas: HTMLCanvasElement, ground: string): void {
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  const context = copy.getContext("2d");
  if (!context) return;
  context.fillStyle = ground;
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  copy.toBlob((blob) => {
    if (blob) saveFile(name, blob);
  });
}
