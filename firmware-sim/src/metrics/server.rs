//! HTTP for the endpoint: GET and HEAD of /metrics, one request a connection, in a thread of its own. hyper reads the requests.
//!
//! Clients are bounded in number, in the size of what they say and in time, and those that dawdle give way to others, so that slow or
//! hostile ones cost an honest one no more than a moment, and the router nothing.

use super::page::CONTENT_TYPE;
use super::places::{Place, Places};
use super::scrape::Asker;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE as TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// How long a client may take for its request, if nobody waits for its place.
const REQUEST: Duration = Duration::from_secs(1);
/// How long a connection lasts at most.
const CONNECTION: Duration = Duration::from_secs(5);
/// The longest request with its headers, in bytes; the least that hyper can do with.
const REQUEST_MAX: usize = 8192;

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(listener: std::net::TcpListener, asker: Asker) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let serve = move || LocalSet::new().block_on(&runtime, accept(listener, Rc::new(asker), stopped));
        let thread = std::thread::Builder::new().name("metrics".into()).spawn(serve)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes connections until the other end of `stopped` goes.
async fn accept(listener: TcpListener, asker: Rc<Asker>, mut stopped: oneshot::Receiver<()>) {
    let places = Rc::new(Places::default());
    loop {
        let next = async {
            // Nobody gives way before somebody waits.
            let (stream, _) = listener.accept().await?;
            Ok::<_, io::Error>((stream, places.take().await))
        };
        let next = tokio::select! {
            _ = &mut stopped => return,
            next = next => next,
        };
        let Ok((stream, (place, closed))) = next else {
            // Too many open files, perhaps: the router itself needs none.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let asker = Rc::clone(&asker);
        tokio::task::spawn_local(async move {
            // A client that goes away, or takes too long, loses its connection and nothing else.
            let served = tokio::time::timeout(CONNECTION, serve(stream, &asker, &place));
            tokio::select! {
                _ = closed => {}
                _ = served => {}
            }
        });
        // Requests that are there already are read before one more gives way.
        tokio::task::yield_now().await;
    }
}

async fn serve(stream: TcpStream, asker: &Asker, place: &Place) -> Result<(), hyper::Error> {
    let answer = service_fn(|request| async move {
        place.asks();
        let answer = answer(&request, asker).await;
        place.is_answered();
        Ok::<_, Infallible>(answer)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(REQUEST_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

async fn answer(request: &Request<Incoming>, asker: &Asker) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "the metrics are at /metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "metrics can only be read: GET or HEAD\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match asker.page().await {
        Some(page) => typed(StatusCode::OK, page, CONTENT_TYPE),
        None => plain(StatusCode::SERVICE_UNAVAILABLE, "the router's loop does not answer\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    typed(status, Bytes::from_static(text.as_bytes()), "text/plain; charset=utf-8")
}

fn typed(status: StatusCode, body: Bytes, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(TYPE, HeaderValue::from_static(content_type));
    response
}
