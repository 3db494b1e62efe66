/** Moving pictures that stand in for cameras and screens. */

/** Somebody before a wall of one colour, nodding a little. */
export function personPicture(hue: number, width = 640, height = 360): MediaStream {
  return draw(width, height, 12, (canvas, time) => {
    const wall = canvas.createLinearGradient(0, 0, width, height);
    wall.addColorStop(0, `hsl(${hue} 38% 58%)`);
    wall.addColorStop(1, `hsl(${hue + 30} 42% 32%)`);
    canvas.fillStyle = wall;
    canvas.fillRect(0, 0, width, height);
    canvas.fillStyle = `hsl(${hue + 40} 30% 70% / 35%)`;
    canvas.fillRect(width * 0.07, height * 0.1, width * 0.2, height * 0.42);
    const middle = width / 2 + Math.sin(time / 900 + hue) * height * 0.015;
    const head = height * 0.4 + Math.cos(time / 700 + hue) * height * 0.01;
    canvas.fillStyle = `hsl(${hue + 180} 26% 26%)`;
    canvas.beginPath();
    canvas.ellipse(middle, height * 1.08, height * 0.4, height * 0.42, 0, 0, Math.PI * 2);
    canvas.fill();
    canvas.fillStyle = `hsl(${24 + (hue % 12)} 42% ${48 + (hue % 24)}%)`;
    canvas.beginPath();
    canvas.ellipse(middle, head + height * 0.04, height * 0.14, height * 0.19, 0, 0, Math.PI * 2);
    canvas.fill();
    canvas.fillStyle = `hsl(${hue + 200} 24% 14%)`;
    canvas.beginPath();
    canvas.ellipse(middle, head - height * 0.06, height * 0.15, height * 0.13, 0, Math.PI, 0);
    canvas.fill();
  });
}

/** A document that scrolls slowly. */
export function screenPicture(width = 1280, height = 720): MediaStream {
  return draw(width, height, 5, (canvas, time) => {
    canvas.fillStyle = '#f6f7f9';
    canvas.fillRect(0, 0, width, height);
    canvas.fillStyle = '#2b3442';
    canvas.font = 'bold 44px sans-serif';
    canvas.fillText('Quarterly plan', 90, 110);
    canvas.fillStyle = '#b9c1cd';
    for (let line = 0; line < 14; line += 1) {
      canvas.fillRect(90, 170 + line * 36, 420 + ((line * 83) % 150), 12);
    }
    for (let bar = 0; bar < 6; bar += 1) {
      const tall = 90 + ((bar * 67) % 260) + Math.sin(time / 800 + bar) * 12;
      canvas.fillStyle = `hsl(${210 + bar * 12} 62% 55%)`;
      canvas.fillRect(700 + bar * 80, 600 - tall, 52, tall);
    }
  });
}

function draw(
  width: number,
  height: number,
  fps: number,
  paint: (canvas: CanvasRenderingContext2D, time: number) => void,
): MediaStream {
  const element = document.createElement('canvas');
  element.width = width;
  element.height = height;
  const canvas = element.getContext('2d', { alpha: false });
  if (!canvas) throw new Error('This browser draws no canvas');
  paint(canvas, performance.now());
  setInterval(() => paint(canvas, performance.now()), 1000 / fps);
  return element.captureStream(fps);
}
