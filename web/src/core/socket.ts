/** What signalling needs of a WebSocket; tests give it another one. */
export interface Socket {
  /** Only after `onOpen`. */
  send(text: string): void;
  /** No handler is called afterwards. */
  close(code: number): void;
}

export interface SocketHandlers {
  onOpen(): void;
  onText(text: string): void;
  /** The socket is gone, or never came to be. Called at most once. */
  onClose(code: number): void;
}

export type OpenSocket = (handlers: SocketHandlers) => Socket;

/** Opens WebSockets to this page's own server. */
export function webSocketTo(path: string): OpenSocket {
  return (handlers) => {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    socket.onopen = () => handlers.onOpen();
    socket.onmessage = (message: MessageEvent<unknown>) => {
      if (typeof message.data === 'string') handlers.onText(message.data);
    };
    socket.onclose = (event) => handlers.onClose(event.code);
    return {
      send: (text) => {
        // Between the network's loss and `onclose` a socket is closing: what is sent then is sent again after resuming.
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
      close: (code) => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close(code);
      },
    };
  };
}
