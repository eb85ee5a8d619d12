//! Topics, filters and property bags against what the SDKs were seen to write.

use std::borrow::Cow;

use hub_proto::identity::Identity;
use hub_proto::message::{Properties, SystemProperty};
use hub_proto::property_bag::{self, BagError, PropertyBag};
use hub_proto::topic::{self, Delivery, Filter, Inbound};

/// What Python sends for a message with an output, ids, a content type and two properties.
const PYTHON_BAG: &str = "%24.on=out%201&%24.mid=a%2Fb%20c%2Bd&%24.cid=c&%24.uid=u&%24.ct=application%2Fjson&%24.ce=utf-8&e=&k%26%3D%2F%20%2B=v%2F%2B%20%25";

fn module() -> Identity {
    Identity::module("d1", "m1").expect("ids are plain")
}

#[test]
fn the_python_capture_reads_and_writes_back() {
    let topic = format!("devices/d1/modules/m1/messages/events/{PYTHON_BAG}");
    let Some(Inbound::Telemetry {
        device: "d1",
        module: Some("m1"),
        bag,
    }) = Inbound::parse(&topic)
    else {
        panic!("not telemetry of d1/m1");
    };
    let properties = Properties::decode(bag).expect("the capture is a bag");
    assert_eq!(properties.get(SystemProperty::OutputName), Some("out 1"));
    assert_eq!(properties.get(SystemProperty::MessageId), Some("a/b c+d"));
    assert_eq!(properties.get(SystemProperty::CorrelationId), Some("c"));
    assert_eq!(properties.get(SystemProperty::UserId), Some("u"));
    assert_eq!(properties.application.get("e"), Some(""));
    assert_eq!(properties.application.get("k&=/ +"), Some("v/+ %"));
    assert!(properties.has_queryable_body());
    assert_eq!(topic::telemetry(&module(), &properties.encode()), topic);
}

#[test]
fn telemetry_topics_of_every_sdk_are_understood() {
    for (text, device, module, bag) in [
        ("devices/d1/messages/events/", "d1", None, ""),
        ("devices/d1/messages/events", "d1", None, ""),
        ("devices/d1/messages/events/a=1", "d1", None, "a=1"),
        (
            "devices/d1/modules/m1/messages/events/%24.on=out1/",
            "d1",
            Some("m1"),
            "%24.on=out1",
        ),
        ("devices/d1/messages/events/a=x/y/", "d1", None, "a=x/y"),
    ] {
        assert_eq!(
            Inbound::parse(text),
            Some(Inbound::Telemetry {
                device,
                module,
                bag
            }),
            "{text}"
        );
    }
}

#[test]
fn requests_and_responses_are_understood() {
    for (text, expected) in [
        (
            "$iothub/twin/GET/?$rid=7c1e",
            Inbound::TwinGet { rid: "7c1e" },
        ),
        (
            "$iothub/twin/PATCH/properties/reported/?$rid=7c1f",
            Inbound::ReportedPatch { rid: "7c1f" },
        ),
        (
            "$iothub/methods/res/-5/?$rid=a",
            Inbound::MethodResponse {
                status: -5,
                rid: "a",
            },
        ),
        (
            "$dps/registrations/PUT/iotdps-register/?$rid=2d81",
            Inbound::DpsRegister { rid: "2d81" },
        ),
        (
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=6334&operationId=4.b2f1.77aa",
            Inbound::DpsOperationStatus {
                rid: "6334",
                operation_id: "4.b2f1.77aa",
            },
        ),
    ] {
        assert_eq!(Inbound::parse(text), Some(expected), "{text}");
    }
    assert_eq!(topic::twin_get("7c1e"), "$iothub/twin/GET/?$rid=7c1e");
    assert_eq!(
        topic::reported_patch("7c1f"),
        "$iothub/twin/PATCH/properties/reported/?$rid=7c1f"
    );
    assert_eq!(
        topic::method_response(200, "a"),
        "$iothub/methods/res/200/?$rid=a"
    );
    assert_eq!(
        topic::dps_register("2d81"),
        "$dps/registrations/PUT/iotdps-register/?$rid=2d81"
    );
    assert_eq!(
        topic::dps_operation_status("6334", "4.b2f1.77aa"),
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=6334&operationId=4.b2f1.77aa"
    );
}

#[test]
fn a_client_may_not_publish_elsewhere() {
    for text in [
        "",
        "/",
        "devices",
        "devices/",
        "devices//messages/events/",
        "devices/d1/messages/eventsx",
        "devices/d1/messages/devicebound/",
        "devices/d1/modules//messages/events/",
        "$iothub/twin/GET/",
        "$iothub/twin/res/200/?$rid=1",
        "$iothub/methods/res/ok/?$rid=1",
        "$iothub/methods/res/200",
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1",
        "sensors/1",
    ] {
        assert_eq!(Inbound::parse(text), None, "{text}");
    }
}

#[test]
fn deliveries_read_back() {
    for (written, text, expected) in [
        (
            topic::devicebound("pump7", "%24.to=x&line=3"),
            "devices/pump7/messages/devicebound/%24.to=x&line=3",
            Delivery::CloudToDevice {
                device: "pump7",
                bag: "%24.to=x&line=3",
            },
        ),
        (
            topic::input("d1", "m1", "occupancy", ""),
            "devices/d1/modules/m1/inputs/occupancy/",
            Delivery::Input {
                device: "d1",
                module: "m1",
                input: "occupancy",
                bag: "",
            },
        ),
        (
            topic::method_request("restart", "1f"),
            "$iothub/methods/POST/restart/?$rid=1f",
            Delivery::MethodRequest {
                name: "restart",
                rid: "1f",
            },
        ),
        (
            topic::twin_response(204, "7c1f", Some(13)),
            "$iothub/twin/res/204/?$rid=7c1f&$version=13",
            Delivery::TwinResponse {
                status: 204,
                rid: "7c1f",
                version: Some(13),
            },
        ),
        (
            topic::twin_response(200, "7c1e", None),
            "$iothub/twin/res/200/?$rid=7c1e",
            Delivery::TwinResponse {
                status: 200,
                rid: "7c1e",
                version: None,
            },
        ),
        (
            topic::desired_patch(6),
            "$iothub/twin/PATCH/properties/desired/?$version=6",
            Delivery::DesiredPatch { version: Some(6) },
        ),
        (
            topic::dps_response(202, "2d81", Some(3)),
            "$dps/registrations/res/202/?$rid=2d81&retry-after=3",
            Delivery::DpsResponse {
                status: 202,
                rid: "2d81",
                retry_after: Some(3),
            },
        ),
    ] {
        assert_eq!(written, text);
        assert_eq!(Delivery::parse(text), Some(expected));
    }
    // edgeHub has been seen without the slash behind an input's name.
    assert_eq!(
        Delivery::parse("devices/d1/modules/m1/inputs/i"),
        Some(Delivery::Input {
            device: "d1",
            module: "m1",
            input: "i",
            bag: ""
        })
    );
    for text in [
        "devices/d1/modules/m1/inputs/",
        "devices/d1/messages/deviceboundx",
        "$iothub/twin/res/x/?$rid=1",
        "",
    ] {
        assert_eq!(Delivery::parse(text), None, "{text}");
    }
}

#[test]
fn filters_are_a_fixed_list() {
    for (text, expected) in [
        (
            "devices/d1/messages/devicebound/#",
            Filter::Devicebound { device: "d1" },
        ),
        (
            "devices/d1/modules/m1/inputs/#",
            Filter::Inputs {
                device: "d1",
                module: "m1",
            },
        ),
        ("$iothub/methods/POST/#", Filter::MethodRequests),
        ("$iothub/twin/res/#", Filter::TwinResponses),
        (
            "$iothub/twin/PATCH/properties/desired/#",
            Filter::DesiredPatches,
        ),
        ("$dps/registrations/res/#", Filter::DpsResponses),
    ] {
        assert_eq!(Filter::parse(text), Some(expected));
        assert_eq!(expected.to_string(), text);
    }
    assert_eq!(
        Filter::parse("devices/d1/modules/m1/#"),
        Some(Filter::Inputs {
            device: "d1",
            module: "m1"
        }),
        "the form of C and C#"
    );
    for text in [
        "#",
        "devices/#",
        "devices/d1/messages/events/#",
        "$iothub/#",
        "devices/d1/messages/devicebound/+",
    ] {
        assert_eq!(Filter::parse(text), None, "{text}");
    }
}

#[test]
fn bags_tell_empty_from_null_and_keep_a_plus() {
    let bag = PropertyBag::decode("a=&b&c=1%2b1+1&%24.mid=x&d=%zz/").expect("decodes");
    assert_eq!(bag.get("a"), Some(""));
    assert!(bag.contains("b") && bag.get("b").is_none());
    assert_eq!(bag.get("c"), Some("1+1+1"));
    assert_eq!(bag.get("$.mid"), Some("x"));
    assert_eq!(
        bag.get("d"),
        Some("%zz"),
        "a percent that starts no escape stays"
    );
    assert_eq!(bag.encode(), "a=&b&c=1%2B1%2B1&%24.mid=x&d=%25zz");
    assert_eq!(
        PropertyBag::decode("a=1&a=2").expect("decodes").get("a"),
        Some("2")
    );
    assert_eq!(PropertyBag::decode("=1"), Err(BagError::NoName));
    assert_eq!(PropertyBag::decode("a=%ff"), Err(BagError::NotUtf8));
    assert_eq!(PropertyBag::decode("/").map(|bag| bag.len()), Ok(0));
}

#[test]
fn pairs_without_escapes_are_borrowed() {
    for pair in property_bag::pairs("kind=occupancy&%24.mid=1") {
        let (name, value) = pair.expect("decodes");
        assert!(matches!(value, Some(Cow::Borrowed(_))));
        assert_eq!(matches!(name, Cow::Borrowed(_)), name == "kind");
    }
}

#[test]
fn system_properties_have_one_name_and_one_key_each() {
    for &property in SystemProperty::ALL {
        assert_eq!(SystemProperty::from_name(property.name()), Some(property));
        if let Some(key) = property.wire() {
            assert_eq!(SystemProperty::from_wire(key), Some(property));
        }
    }
    assert_eq!(
        SystemProperty::from_name("CONTENTTYPE"),
        Some(SystemProperty::ContentType)
    );
    assert_eq!(
        SystemProperty::from_name("cid"),
        Some(SystemProperty::CorrelationId)
    );
}
