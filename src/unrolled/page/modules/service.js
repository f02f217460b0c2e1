// The service that this page came from, which runs the same networks: a session of each, over one WebSocket.
const PAUSE = 2000; // milliseconds before another try
const FOR_NOW = [429, 503]; // the statuses of refusals that may end by themselves

export class Service {
  // changed(): whenever a session has read on, or something has come in between.
  constructor(changed) {
    Object.assign(this, { changed, sessions: new Map(), problem: "", ended: false });
    this.connect();
  }

  // The one of the network with that name.
  sessionOf(name) {
    if (!this.sessions.has(name)) this.sessions.set(name, new Session(this, name, this.sessions.size));
    return this.sessions.get(name);
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    const address = new URL("v1/stream", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    let opened = false;
    this.socket.onopen = () => {
      opened = true;
      this.problem = "";
      for (const session of this.sessions.values()) session.goOn();
    };
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = ({ code }) => this.lose(opened, code);
  }

  hear(answer) {
    const session = [...this.sessions.values()][answer.id];
    if (session) session.hear(answer);
    else {
      this.problem = answer.error; // a refusal that says not whose message it was: all begin anew
      this.socket.close();
    }
  }

  // The connection is gone, and with it the order of what was sent: try another, and read anew.
  async lose(opened, code) {
    for (const session of this.sessions.values()) session.forget();
    if (!opened) this.problem = await reason();
    else this.problem ||= code === 1012 ? "it stops" : "the connection broke";
    if (this.ended) return;
    this.timer = setTimeout(() => this.connect(), PAUSE);
    this.changed();
  }

  // End all sessions, and ask no more.
  close() {
    this.ended = true;
    clearTimeout(this.timer);
    Object.assign(this.socket, { onopen: null, onmessage: null, onclose: null });
    this.socket.close();
    for (const { id } of this.sessions.values()) {
      if (id !== null) fetch(`v1/sessions/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
    }
  }
}

// A sequence as the service's network reads it. One message is on its way at a time.
class Session {
  constructor(service, name, number) {
    Object.assign(this, { service, name, number, wanted: null, problem: "" });
    this.forget();
  }

  // Not open, or no more.
  forget() {
    Object.assign(this, { id: null, reading: null, t: 0, logits: null, then: null });
  }

  // Read the first t steps of a reading; `reading`, `t` and `logits` say how far it is, and what it says there.
  read(reading, t) {
    this.wanted = { reading, t };
    this.goOn();
  }

  goOn() {
    if (this.then || this.problem || !this.wanted || !this.service.isOpen) return;
    const { reading, t } = this.wanted;
    if (this.id === null) {
      this.ask({ do: "open", model: this.name }, ({ session }) => Object.assign(this, { id: session, reading }));
    } else if (reading !== this.reading || t < this.t) {
      this.ask({ do: "reset", session: this.id }, () => Object.assign(this, { reading, t: 0, logits: null }));
    } else if (t > this.t) {
      const steps = reading.order.slice(this.t, t).map((row) => Array.from(reading.rows[row]));
      this.ask({ session: this.id, steps, outputs: true },
        ({ count, outputs }) => Object.assign(this, { t: count, logits: outputs.at(-1) }));
    }
  }

  ask(message, then) {
    this.then = then;
    this.service.socket.send(JSON.stringify({ ...message, id: this.number }));
  }

  hear(answer) {
    const { then } = this;
    this.then = null;
    if (!answer.error) then(answer);
    else {
      const lost = answer.status === 404 && this.id !== null;
      if (lost || FOR_NOW.includes(answer.status)) setTimeout(() => this.retry(), PAUSE);
      if (lost) this.forget();
      this.reading = null; // what it has read is not known: from its beginning again
      this.problem = answer.error;
    }
    this.goOn();
    this.service.changed();
  }

  retry() {
    this.problem = "";
    this.goOn();
  }
}

// Why no connection was opened. A browser says nothing of that, and so a plain request is made.
async function reason() {
  try {
    const answer = await fetch("v1/models");
    return answer.ok ? "it answers, but its WebSockets are not to be reached" : (await answer.json()).error;
  } catch {
    return "it cannot be reached";
  }
}
