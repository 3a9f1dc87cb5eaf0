//! The listening side of a link: one port that stays the link's own through all cuts.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::State;

/// Connects that may wait to be accepted; more than any test opens at a time.
const BACKLOG: u32 = 1024;

/// A handshake over loopback takes microseconds; when it does not end, the queue is full.
const HANDSHAKE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Port {
    address: SocketAddr,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Open(TcpListener),
    /// Nobody accepts, and the queue of length 0 (which holds one) is full: the kernel drops
    /// every further SYN. `filler` is what fills it, where nobody else came first.
    BlackHole {
        listener: TcpListener,
        filler: Option<TcpStream>,
    },
    /// Bound without listening: keeps the port and refuses.
    Refusing(TcpSocket),
    /// For the moment between two sockets, and after a failure.
    Closed,
}

impl Port {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::Open(bind(address)?.listen(BACKLOG)?);
        Ok(Self { address, socket })
    }

    /// The next connection; never in a state that accepts none.
    pub(super) async fn accept(&self) -> TcpStream {
        let Socket::Open(listener) = &self.socket else {
            return pending().await;
        };
        loop {
            // An error is that of one connection (reset in the queue), or passes by itself.
            if let Ok((stream, _)) = listener.accept().await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn change(&mut self, state: State) -> io::Result<()> {
        let socket = std::mem::replace(&mut self.socket, Socket::Closed);
        self.socket = match state {
            State::Open => self.opened(socket).await?,
            State::BlackHole => self.black_hole(socket).await?,
            State::Refusing => self.refusing(socket)?,
        };
        Ok(())
    }

    async fn opened(&self, socket: Socket) -> io::Result<Socket> {
        let listener = match socket {
            Socket::Open(listener) => listener,
            Socket::BlackHole { listener, filler } => {
                if let Some(filler) = filler {
                    discard(&listener, &filler).await?;
                }
                SockRef::from(&listener).listen(BACKLOG.cast_signed())?;
                listener
            }
            Socket::Refusing(socket) => socket.listen(BACKLOG)?,
            Socket::Closed => bind(self.address)?.listen(BACKLOG)?,
        };
        Ok(Socket::Open(listener))
    }

    /// By way of the open state, so that nobody is refused in between.
    async fn black_hole(&self, socket: Socket) -> io::Result<Socket> {
        if matches!(socket, Socket::BlackHole { .. }) {
            return Ok(socket);
        }
        let Socket::Open(listener) = self.opened(socket).await? else {
            return Err(io::Error::other("the port did not open"));
        };
        SockRef::from(&listener).listen(0)?;
        let filler = match timeout(HANDSHAKE, TcpStream::connect(self.address)).await {
            Ok(connected) => Some(connected?),
            // A client was quicker, and fills the queue as well.
            Err(_) => None,
        };
        Ok(Socket::BlackHole { listener, filler })
    }

    fn refusing(&self, socket: Socket) -> io::Result<Socket> {
        if matches!(socket, Socket::Refusing(_)) {
            return Ok(socket);
        }
        // The old listener must be gone before the new socket may listen; nobody else gets the
        // port in between but by asking for this very number.
        drop(socket);
        Ok(Socket::Refusing(bind(self.address)?))
    }
}

/// Takes the filler out of the queue. It is alone there, since nothing else fitted.
async fn discard(listener: &TcpListener, filler: &TcpStream) -> io::Result<()> {
    let own = filler.local_addr()?;
    loop {
        let (_, peer) = listener.accept().await?;
        if peer == own {
            return Ok(());
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of an earlier listener may still linger on the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
