//! The guard as a whole: URLs in every spelling, names with planted addresses.

use std::collections::BTreeMap;

use super::*;

/// Names with planted addresses.
struct Planted(BTreeMap<&'static str, Vec<IpAddr>>);

#[async_trait]
impl Lookup for Planted {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0
            .get(host)
            .cloned()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))
    }
}

fn guard(private: Private) -> Guard {
    let planted = [
        ("good.example", &["93.184.216.34", "2606:2800:220:1::1"][..]),
        ("loopback.example", &["127.0.0.1"]),
        ("private.example", &["10.0.0.7"]),
        ("mixed.example", &["93.184.216.34", "169.254.169.254"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
        ("nat64.example", &["64:ff9b::a9fe:a9fe"]),
        ("ula.example", &["fd00::1"]),
        ("empty.example", &[]),
        ("erp.corp.internal", &["10.0.0.7"]),
    ];
    let planted =
        planted.map(|(name, ips)| (name, ips.iter().map(|ip| ip.parse().unwrap()).collect()));
    Guard::with_lookup(private, Arc::new(Planted(planted.into())))
}

#[test]
fn literal_addresses_are_judged_in_every_spelling() {
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.0.0.1./",
        "http://%31%32%37.0.0.1/",
        "http://1２7.0.0.1/",
        "http://①②⑦.0.0.1/",
        "http://127。0。0。1/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[::]/",
        "http://0/",
        "http://0.0.0.0:80/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xA9.0xFE.0xA9.0xFE/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://10.0.0.1/",
        "http://192.168.1.1:8080/",
        "https://100.64.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://LocalHost/",
        "http://foo.localhost./",
        "http://ｌocalhost/",
        "http://metadata.google.internal/",
        "http://METADATA.google.internal./",
        "http://redis.default.svc/",
        "http://user@127.0.0.1/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1#@example.com/",
        "http:\\\\127.0.0.1\\",
        "http:127.0.0.1",
    ] {
        let parsed = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(guard(Private::Deny).check(&parsed).is_err(), "{url} ({parsed}) passes");
    }
    for url in [
        "http://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "http://example.com/",
        "http://134744072/",
    ] {
        assert_eq!(guard(Private::Deny).check(&Url::parse(url).unwrap()), Ok(()), "{url}");
    }
}

#[test]
fn a_refusal_names_the_remedy() {
    let refused = guard(Private::Deny).check(&Url::parse("http://10.0.0.1/").unwrap()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`10.0.0.1` may not be reached from a workflow: it is a private address; the runner's operator can allow it with --allow-private 10.0.0.1"
    );
}

#[tokio::test]
async fn names_are_judged_by_all_their_addresses() {
    let deny = guard(Private::Deny);
    assert_eq!(deny.addresses("good.example").await.unwrap().len(), 2);
    for name in [
        "loopback.example",
        "private.example",
        "mixed.example",
        "mapped.example",
        "nat64.example",
        "ula.example",
        "erp.corp.internal",
    ] {
        let error = deny.addresses(name).await.unwrap_err();
        let refused = Refused::among(&error).unwrap_or_else(|| panic!("{name}: {error}"));
        assert!(!refused.to_string().contains("10.0.0.7"), "an address is told: {refused}");
    }
    for name in ["empty.example", "none.example"] {
        let error = deny.addresses(name).await.unwrap_err();
        assert!(
            Refused::among(&error).is_none() && error.kind() == io::ErrorKind::NotFound,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_listed_host_may_lie_anywhere() {
    let only = guard(Private::Only(vec!["erp.corp.internal".parse().unwrap()]));
    assert_eq!(
        only.addresses("erp.corp.internal").await.unwrap(),
        ["10.0.0.7".parse::<IpAddr>().unwrap()]
    );
    assert!(only.addresses("private.example").await.is_err());
    assert!(guard(Private::Any).addresses("private.example").await.is_ok());
    assert!(guard(Private::Any).addresses("mixed.example").await.is_err());
}

#[tokio::test]
async fn a_client_meets_the_refusal() {
    let name = "private.example".parse().unwrap();
    let Err(error) = guard(Private::Deny).resolve(name).await else { panic!("resolved") };
    assert!(Refused::among(&*error).is_some());
    let found: Vec<_> = guard(Private::Any)
        .resolve("private.example".parse().unwrap())
        .await
        .ok()
        .unwrap()
        .collect();
    assert_eq!(found, ["10.0.0.7:0".parse::<SocketAddr>().unwrap()]);
}
