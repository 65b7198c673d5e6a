// A page whose connection was lost and is back is run once.
//
// The process behind the connection may be another one, because the first has ended. That one has not run the page and
// would take what a person does next for the page's first run, so that a press or a text would be lost.
(() => {
    let connected = false;
    window.WebSocket = class extends WebSocket {
        constructor(address, protocols) {
            super(address, protocols);
            if (!new URL(address, document.baseURI).pathname.endsWith("/_stcore/stream")) return;
            this.addEventListener("open", () => {
                if (connected) window.postMessage({ stCommVersion: 1, type: "RERUN_SCRIPT" }, location.origin);
                connected = true;
            });
        }
    };
})();
