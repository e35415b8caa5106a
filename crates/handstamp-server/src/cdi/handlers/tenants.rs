//! Apps and tenants: made, listed and removed by those who run the server. What of their settings does not concern sessions is
//! kept and given back.

use std::sync::Arc;

use handstamp::{AppId, TenantId};
use serde_json::{Map, Value, json};

use crate::cdi::Call;
use crate::cdi::registry::Registered;
use crate::cdi::reply::{Refusal, Reply};

/// How a list writes a tenant.
pub(in crate::cdi) trait Shape: Send {
    fn write(id: &TenantId, kept: &Map<String, Value>) -> Value;
}

/// With a switch for each recipe, as up to 5.0.
pub(in crate::cdi) struct Recipes;

impl Shape for Recipes {
    fn write(id: &TenantId, kept: &Map<String, Value>) -> Value {
        let enabled = |name: &str| kept.get(name).cloned().unwrap_or(Value::Bool(true));
        json!({
            "tenantId": id.as_str(),
            "emailPassword": {"enabled": enabled("emailPasswordEnabled")},
            "thirdParty": {"enabled": enabled("thirdPartyEnabled"), "providers": []},
            "passwordless": {"enabled": enabled("passwordlessEnabled")},
            "coreConfig": core_config(kept),
        })
    }
}

/// With the factors that users need.
pub(in crate::cdi) struct Factors;

impl Shape for Factors {
    fn write(id: &TenantId, kept: &Map<String, Value>) -> Value {
        let mut tenant = json!({
            "tenantId": id.as_str(),
            "thirdParty": {"providers": []},
            "coreConfig": core_config(kept),
        });
        for name in ["firstFactors", "requiredSecondaryFactors"] {
            if let (Some(value), Some(tenant)) = (kept.get(name), tenant.as_object_mut()) {
                tenant.insert(name.to_owned(), value.clone());
            }
        }
        tenant
    }
}

fn core_config(kept: &Map<String, Value>) -> Value {
    kept.get("coreConfig")
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()))
}

/// There are no licences; whoever sends one is told that it is fine.
pub(in crate::cdi) async fn license(_: Call) -> Result<Reply, Refusal> {
    Reply::json(&json!({"status": "OK"}))
}

pub(in crate::cdi) async fn put_app(call: Call) -> Result<Reply, Refusal> {
    from_base_app(&call)?;
    let app = app_id(&call)?;
    put(&call, &app, &TenantId::PUBLIC).await
}

pub(in crate::cdi) async fn put_tenant(call: Call) -> Result<Reply, Refusal> {
    from_public_tenant(&call)?;
    let tenant = tenant_id(&call)?;
    put(&call, &call.cdi.app, &tenant).await
}

async fn put(call: &Call, app: &AppId, tenant: &TenantId) -> Result<Reply, Refusal> {
    let body = call.input.body()?;
    // Settings of other recipes are kept as they come, but each is of one type.
    body.optional_object("coreConfig")?;
    for name in [
        "emailPasswordEnabled",
        "thirdPartyEnabled",
        "passwordlessEnabled",
    ] {
        body.optional_boolean(name)?;
    }
    let said = body.without(&["appId", "tenantId"])?;
    let is_new = call.registry.put(app, tenant, &said).await?;
    Reply::json(&json!({"status": "OK", "createdNew": is_new}))
}

pub(in crate::cdi) async fn remove_app(call: Call) -> Result<Reply, Refusal> {
    from_base_app(&call)?;
    let app = app_id(&call)?;
    if app == AppId::PUBLIC {
        return Err(Refusal::forbidden("Cannot delete the public app"));
    }
    let was_there = call.registry.remove_app(&app).await?;
    Reply::json(&json!({"status": "OK", "didExist": was_there}))
}

pub(in crate::cdi) async fn remove_tenant(call: Call) -> Result<Reply, Refusal> {
    from_public_tenant(&call)?;
    let tenant = tenant_id(&call)?;
    if tenant == TenantId::PUBLIC {
        return Err(Refusal::forbidden("Cannot delete the public tenant"));
    }
    let was_there = call.registry.remove_tenant(&call.cdi.app, &tenant).await?;
    Reply::json(&json!({"status": "OK", "didExist": was_there}))
}

pub(in crate::cdi) async fn list_apps<S: Shape>(call: Call) -> Result<Reply, Refusal> {
    from_base_app(&call)?;
    let apps = call.registry.apps();
    let apps: Vec<_> = apps
        .values()
        .map(|app| json!({"appId": app.cdi.app.as_str(), "tenants": tenants_of::<S>(app)}))
        .collect();
    Reply::json(&json!({"status": "OK", "apps": apps}))
}

pub(in crate::cdi) async fn list_tenants<S: Shape>(call: Call) -> Result<Reply, Refusal> {
    from_public_tenant(&call)?;
    let tenants = registered(&call)?;
    Reply::json(&json!({"status": "OK", "tenants": tenants_of::<S>(&tenants)}))
}

pub(in crate::cdi) async fn tenant<S: Shape>(call: Call) -> Result<Reply, Refusal> {
    let app = registered(&call)?;
    let Some(kept) = app.tenants.get(&call.tenant) else {
        return Reply::json(&json!({"status": "TENANT_NOT_FOUND_ERROR"}));
    };
    let mut tenant = S::write(&call.tenant, kept);
    if let Some(tenant) = tenant.as_object_mut() {
        tenant.insert("status".to_owned(), "OK".into());
    }
    Reply::json(&tenant)
}

fn tenants_of<S: Shape>(app: &Registered) -> Vec<Value> {
    let tenants = app.tenants.iter();
    tenants.map(|(id, kept)| S::write(id, kept)).collect()
}

fn registered(call: &Call) -> Result<Arc<Registered>, Refusal> {
    let apps = call.registry.apps();
    apps.get(&call.cdi.app).cloned().ok_or(Refusal::NotFound)
}

fn from_public_tenant(call: &Call) -> Result<(), Refusal> {
    if call.tenant == TenantId::PUBLIC {
        Ok(())
    } else {
        Err(Refusal::PublicTenantOnly)
    }
}

fn from_base_app(call: &Call) -> Result<(), Refusal> {
    from_public_tenant(call)?;
    if call.cdi.app == AppId::PUBLIC {
        Ok(())
    } else {
        Err(Refusal::forbidden("Only the public app can call this API"))
    }
}

fn app_id(call: &Call) -> Result<AppId, Refusal> {
    let text = name(call, "appId")?;
    AppId::parse(&text).map_err(|why| Refusal::invalid("appId", &why))
}

fn tenant_id(call: &Call) -> Result<TenantId, Refusal> {
    let text = name(call, "tenantId")?;
    if crate::cdi::route::is_reserved(&text) {
        return Err(Refusal::Field {
            name: "tenantId",
            why: Some("must not be the beginning of a path that has another meaning".to_owned()),
        });
    }
    TenantId::parse(&text).map_err(|why| Refusal::invalid("tenantId", &why))
}

fn name(call: &Call, field: &'static str) -> Result<String, Refusal> {
    let text = call
        .input
        .body()?
        .string(field)?
        .trim()
        .to_ascii_lowercase();
    if text.starts_with("appid-") {
        return Err(Refusal::Field {
            name: field,
            why: Some("must not begin with appid-".to_owned()),
        });
    }
    Ok(text)
}
