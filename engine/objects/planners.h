#pragma once

#include "engine/cluster/set_api.h"

/// The planners behind ObjectCommand, one group of operations a file.
namespace flashstor::objects {

using PlanTask = Task<Result<cluster::Plan>>;

PlanTask plan_put_version(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_delete_version(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_change_attributes(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_document(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_gate(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_add_references(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_drop_references(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_settle_references(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_refuse_referrer(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_create_upload(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_put_part(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_complete_upload(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_abort_upload(cluster::RowView& rows, const cluster::Command& command);

}  // namespace flashstor::objects
