//! The rooms of titles and lists, over titles in memory: no cluster takes part.

use super::access::Access;
use super::body::full;
use super::caller::{Caller, Demand, Standing};
use super::lists::{ListRoom, Lists};
use super::reply::text;
use super::router::{Answer, Room, Router};
use super::titles::TitlesRoom;
use super::{ApiError, Ends, RequestBody, Terms, error_response, serve};
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, stream};
use http_body_util::BodyExt;
use hyper::{Method, Request, Response};
use rain_client::HttpTitles;
use rain_config::{AccessToken, Reloadable, Role};
use rain_node::{Bounds, Gates};
use rain_titles::{Listed, MemoryTitles, NewContent, Page, Precondition, Titles, contract};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

fn caller(standing: Standing) -> Caller {
    Caller { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), standing }
}

/// Alice's, for titles that begin with `films/`.
fn token(role: Role) -> Standing {
    let (name, prefix, hash) = ("alice".to_owned(), "films/".to_owned(), blake3::hash(b""));
    Standing::Token { token: Arc::new(AccessToken { name, role, prefix, hash }), by_login: false }
}

impl Lists for MemoryTitles {
    async fn list(&self, _: IpAddr, page: Page, columns: bool) -> Bytes {
        assert!(columns, "nobody asks for lists without them");
        let listed = Titles::list(self, &page).await.expect("memory is there");
        serde_json::to_vec(&listed).expect("plain data").into()
    }
}

/// A room that says who asked.
struct Greeting;

impl Room for Greeting {
    fn takes(&self, method: &Method, path: &str) -> bool {
        *method == Method::GET && ["/healthz", "/v/greeting"].contains(&path)
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, caller: Caller, _: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move { Ok(text(caller.name())) }.boxed()
    }
}

/// What a listener grants where nobody says.
fn terms() -> Terms {
    let settings = Reloadable::default();
    let gates = Gates::new(&Bounds::new(&settings.limits, 1024, 1));
    Terms::new(gates.players, watch::channel(Arc::new(settings)).1)
}

fn router() -> Router {
    router_over(MemoryTitles::default())
}

fn router_over(titles: MemoryTitles) -> Router {
    Router::new(vec![Box::new(Greeting), Box::new(TitlesRoom(titles.clone())), Box::new(ListRoom(titles))])
}

/// What is answered: status, headers, body.
async fn ask(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> (u16, impl Fn(&str) -> String + use<>, String) {
    ask_as(Standing::Loopback, router, method, path, headers, body).await
}

/// As [`ask`], as somebody else.
async fn ask_as(
    standing: Standing,
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> (u16, impl Fn(&str) -> String + use<>, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answered = router.answer(caller(standing), request.body(full(body)).unwrap()).await;
    let (head, body) = answered.unwrap_or_else(|error| error_response(&error)).into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let header = move |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    (head.status.as_u16(), header, body)
}

#[tokio::test]
async fn the_first_room_that_takes_a_request_answers_it() {
    let router = router();
    let (status, _, body) = ask(&router, "GET", "/v/greeting", &[], "").await;
    assert_eq!((status, body.as_str()), (200, "loopback"));
    let (status, _, body) = ask(&router, "DELETE", "/v/greeting", &[], "").await;
    assert_eq!((status, body.contains("no-such-title")), (404, true), "{body}");
    for (method, path) in [("GET", "/"), ("GET", "/api/v1/cluster"), ("PUT", "/api/v1/titles"), ("GET", "/v")] {
        let (status, _, body) = ask(&router, method, path, &[], "").await;
        assert_eq!((status, body.contains("\"not-found\"")), (404, true), "{method} {path}: {body}");
    }
    assert_eq!(ask(&router, "POST", "/v/a", &[], "").await.0, 405);
}

#[tokio::test]
async fn rooms_answer_whoever_is_allowed() {
    let router = router();
    for (standing, inside, outside) in [
        (Standing::Stranger, [401, 401, 404], [401, 401, 404]),
        (token(Role::Viewer), [403, 403, 404], [403, 403, 403]),
        (token(Role::Publisher), [201, 204, 404], [403, 403, 403]),
        (Standing::Loopback, [201, 204, 404], [201, 204, 404]),
    ] {
        for (path, expected) in [("/v/films/a", inside), ("/v/series/a", outside)] {
            let mut found = Vec::new();
            for method in ["PUT", "DELETE", "GET"] {
                let (status, header, body) = ask_as(standing.clone(), &router, method, path, &[], "x").await;
                assert_eq!(header("www-authenticate") == "Bearer", status == 401, "{status}");
                let object: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
                if let 401 | 403 = status {
                    assert!(!object["found"].is_null() && !object["expected"].is_null(), "{body}");
                }
                found.push(status);
            }
            assert_eq!(found, expected, "{standing:?} {path}");
        }
    }
}

#[tokio::test]
async fn a_list_for_a_token_is_of_its_scope() {
    let router = router();
    for title in ["films/a", "series/a"] {
        let _stored = ask(&router, "PUT", &format!("/v/{title}"), &[], "x").await;
    }
    for (query, expected) in [("", 200), ("?prefix=f", 200), ("?prefix=series", 403), ("?delimiter=/", 403)] {
        let path = format!("/api/v1/titles{query}");
        let (status, _, body) = ask_as(token(Role::Viewer), &router, "GET", &path, &[], "").await;
        assert_eq!(status, expected, "{query}");
        assert_eq!(
            (body.contains("\"films/a\""), body.contains("\"series/a\"")),
            (status == 200, false),
            "{query}: {body}"
        );
    }
}

/// RFC 9110, 13 and 14, by way of the room.
#[tokio::test]
async fn conditions_and_ranges_of_a_title() {
    let router = router();
    let (status, header, _) = ask(&router, "PUT", "/v/a%20b", &[("if-none-match", "*")], "0123456789").await;
    assert_eq!((status, header("rain-tolerates").as_str()), (201, "0"));
    let etag = header("etag");
    let (status, header, body) = ask(&router, "GET", "/v/a%20b", &[], "").await;
    assert_eq!(
        (status, header("etag"), header("content-length").as_str(), body.as_str()),
        (200, etag.clone(), "10", "0123456789")
    );
    // Titles in memory count a second for each write.
    assert_eq!(header("last-modified"), "Thu, 01 Jan 1970 00:00:01 GMT");
    for (headers, expected, range, came) in [
        (vec![("range", "bytes=2-4")], 206, "bytes 2-4/10", "234"),
        (vec![("range", "bytes=-3"), ("if-range", etag.as_str())], 206, "bytes 7-9/10", "789"),
        (vec![("range", "bytes=2-4"), ("if-range", "\"other\"")], 200, "", "0123456789"),
        (vec![("range", "bytes=10-")], 416, "bytes */10", ""),
        (vec![("if-none-match", etag.as_str())], 304, "", ""),
        (vec![("if-match", etag.as_str())], 200, "", "0123456789"),
        (vec![("if-modified-since", "Thu, 01 Jan 1970 00:00:01 GMT")], 304, "", ""),
    ] {
        let (status, header, body) = ask(&router, "GET", "/v/a%20b", &headers, "").await;
        assert_eq!((status, header("content-range").as_str(), body.as_str()), (expected, range, came), "{headers:?}");
    }
    let (status, header, body) = ask(&router, "HEAD", "/v/a%20b", &[("range", "bytes=2-4")], "").await;
    assert_eq!((status, header("content-length").as_str(), body.as_str()), (206, "3", ""));
    for (method, headers, expected) in [
        ("GET", ("if-match", "\"other\""), 412),
        ("PUT", ("if-none-match", "*"), 412),
        ("PUT", ("content-range", "bytes 0-1/10"), 400),
        ("DELETE", ("if-match", "\"other\""), 412),
        ("PUT", ("if-match", etag.as_str()), 204),
        ("DELETE", ("if-match", etag.as_str()), 412),
        ("DELETE", ("if-match", "*"), 204),
        ("DELETE", ("if-none-match", "\"a\""), 404),
    ] {
        assert_eq!(ask(&router, method, "/v/a%20b", &[headers], "new").await.0, expected, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn lists_are_asked_for_by_their_query() {
    let router = router();
    for title in ["a%26", "f/1", "f/2", "g"] {
        let _stored = ask(&router, "PUT", &format!("/v/{title}"), &[], "x").await;
    }
    for (query, expected) in [
        ("", vec!["a&", "f/1", "f/2", "g"]),
        ("?prefix=f%2F", vec!["f/1", "f/2"]),
        ("?delimiter=/&after=a%26", vec!["f/", "g"]),
        ("?limit=1&after=f%2F1", vec!["f/2"]),
    ] {
        let (status, _, body) = ask(&router, "GET", &format!("/api/v1/titles{query}"), &[], "").await;
        let listed: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
        let names: Vec<_> = listed.iter().map(|item| item["title"].as_str().or(item["folder"].as_str())).collect();
        assert_eq!((status, names), (200, expected.into_iter().map(Some).collect()), "{query}");
    }
    for wrong in ["?limit=0", "?limit=10001", "?limit=x", "?delimiter=x"] {
        assert_eq!(ask(&router, "GET", &format!("/api/v1/titles{wrong}"), &[], "").await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn titles_in_memory_keep_the_contract() {
    contract::check(&MemoryTitles::default()).await;
}

/// The client, over HTTP, over the rooms, over titles in memory.
#[tokio::test]
async fn titles_over_http_keep_the_contract() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, shutdown) = watch::channel(false);
    let titles = MemoryTitles::default();
    let (access, router) = (Arc::new(Access::without_tokens(address)), Arc::new(router_over(titles.clone())));
    let served = tokio::spawn(serve(listener, shutdown, terms(), move |request, ends: Ends| {
        let (access, router) = (Arc::clone(&access), Arc::clone(&router));
        async move {
            let admitted = access.admit(ends, request.method(), request.uri(), request.headers());
            let answered = match admitted {
                Ok(caller) => router.answer(caller, request).await,
                Err(error) => Err(error),
            };
            let response: Response<_> = answered.unwrap_or_else(|error| error_response(&error));
            response
        }
    }));
    // Nobody is at the first address: whatever is asked goes on to the second.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let servers = vec![format!("http://{}", nobody.local_addr().unwrap()), format!("http://{address}")];
    drop(nobody);
    let over_http = HttpTitles::new(servers, None);
    contract::check(&over_http).await;
    // More than a node lists at once: a page is shorter than its limit at the end alone.
    for number in 0..10_010 {
        let content = NewContent { stream: stream::empty(), bytes: Some(0), media_type: String::new() };
        titles.put(&format!("many/{number:05}"), content, Precondition::default()).await.unwrap();
    }
    for (limit, expected) in [(10_005, 10_005), (20_000, 10_010)] {
        let page = Page { prefix: "many/".to_owned(), after: String::new(), limit, folders: false };
        let listed = over_http.list(&page).await.unwrap();
        assert_eq!(listed.len(), expected);
        assert_eq!(listed.last().map(Listed::name), Some(&*format!("many/{:05}", expected - 1)));
    }
    served.abort();
}
